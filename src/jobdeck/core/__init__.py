"""Foundation: values and rules. No I/O, never reads the clock, standard library only."""
