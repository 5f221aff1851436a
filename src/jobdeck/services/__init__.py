"""Office: one method for each thing that a person or a machine may ask for."""
