"""Speed beside a peer, measured in one run: `make bench`, or `python -m benchmarks --help`.

Every figure is a ratio: jobdeck and Huey on SQLite, jobdeck and Procrastinate on PostgreSQL, and jobdeck with and without
many finished runs take turns on the same machine, and the medians of several rounds are compared. jobdeck runs as it does
by default: isolated child processes, attempts, leases and logs kept.
"""
