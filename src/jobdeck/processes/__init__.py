"""Machine room: the loops that stay alive, and the processes they live in."""
