"""Workshop: one attempt of one run, as a pipe of small steps. Runs in a worker's child process."""
