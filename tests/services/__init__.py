"""Services on real databases, without processes."""
