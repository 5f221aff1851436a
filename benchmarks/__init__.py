"""Speed beside a peer, measured in one run: `make bench`, or `python -m benchmarks --help`.

Every figure is a ratio: jobdeck and Huey take turns on the same machine with the same durability, and the medians of several
rounds are compared. jobdeck runs as it does by default: isolated child processes, attempts, leases and logs kept.
"""
