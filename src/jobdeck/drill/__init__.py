"""The drill: a scratch jobdeck under load, whose workers, children, schedulers, connections and brokers are killed at random, and
the check that nothing was lost, doubled or begun against anybody's will.

Lives here: `exercise` (the whole), `site` (the scratch instance), `carriers`, `servers` and `brokers` (the engines, and what is
started for them), `job_types`, `load` and `timetable` (what is run), `fleet` (workers, schedulers, dispatchers), `nemesis` and
`faults…` (what befalls them), `trace` (what bodies themselves tell), `history` and `oracle` (the checkers), `sheet` (the
figures). Neighbours: the command is `cli.drill`; the database's part is `store.drill`.
"""
