"""Plugs: what carries the runs of a queue to workers that somebody else operates. `contracts.Engine` is the socket."""
