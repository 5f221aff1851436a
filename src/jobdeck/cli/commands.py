"""Every command by name. Its module is loaded when it is used, so that `--help` loads neither database nor web."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import click

from .session import Session

PROGRAM = "jobdeck"

# name → (module of this package, object in it, what `--help` says of it)
COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "up": ("up", "up", "Start everything: web server, worker, scheduler and dispatcher in one process tree."),
    "web": ("web", "web", "Start the web server alone."),
    "worker": (
        "worker",
        "worker",
        "Start a worker, for all queues or the named ones: the first named one is served before the next.",
    ),
    "scheduler": ("scheduler", "scheduler", "Start a scheduler: it turns the planned times of schedules into runs."),
    "dispatcher": (
        "dispatcher",
        "dispatcher",
        "Start a dispatcher: it tells the engines of JOBDECK_ENGINES of the runs that wait for them.",
    ),
    "types": ("types", "types", "What can be run: job types."),
    "jobs": ("jobs", "jobs", "Saved jobs: make, change, delete and run them."),
    "runs": ("runs", "runs", "Runs: watch, read, stop and repeat them."),
    "schedules": ("schedules", "schedules", "Schedules: when jobs recur; preview, pause and resume them."),
    "queues": ("queues", "queues", "Queues: how full they are; pause and limit them."),
    "workers": ("workers", "workers", "Who does the work."),
    "tokens": ("tokens", "tokens", "Access tokens for the API and for signing in."),
    "check": ("check", "check", "Show every setting with its source, and everything that is wrong."),
    "drill": (
        "drill",
        "drill",
        "Kill workers, schedulers, brokers and connections under load, and check that nothing was lost or done twice.",
    ),
    "prune": (
        "prune",
        "prune",
        "Delete the finished runs that need not be kept any longer, with their logs and files.",
    ),
    "db": ("db", "db", "The database's tables."),
}

# What only `up` starts.
_INTERNAL = {"prepare": ("prepare", "prepare")}


class Commands(click.Group):
    """The commands of `COMMANDS`, in that order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, most wanted first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command itself, for which its module is loaded."""
        place = COMMANDS[cmd_name][:2] if cmd_name in COMMANDS else _INTERNAL.get(cmd_name)
        if place is None:
            return None
        module, name = place
        found: click.Command = getattr(importlib.import_module(f".{module}", __package__), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table alone: click would load every module for its first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, _, sentence) in COMMANDS.items()])


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version as version_of  # late: takes a tenth of the time of `--help`

        click.echo(f"{PROGRAM} {version_of(PROGRAM)}")
        context.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--app", metavar="MODULE:NAME", envvar="JOBDECK_APP", show_envvar=True,
              help="A Flask application, an application factory or a Deck. Without it, settings come from the "
                   "environment and job types from installed packages.")  # fmt: skip
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version,
              help="Show the version.")  # fmt: skip
@click.pass_context
def program(context: click.Context, app: str | None, debug: bool) -> None:
    """Background work as jobs that administrators run, schedule, watch and stop.

    Exit code: 0 done, 1 refused or failed, 2 wrong usage. Errors are one line on stderr.
    """
    context.obj = context.with_resource(Session(app))
