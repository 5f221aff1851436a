"""The command line door: what an operator types becomes one call of a service, and is shown as a table or as JSON.

Lives here: the way in and the way out, with exit codes (0 done, 1 refused or failed, 2 wrong usage, 130 Ctrl-C).
Neighbours: `commands` knows every command by name and loads a module on use; `session` has the deck and who asks;
`screen` and `tables` print. A command contains no rule: the services decide.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from ..errors import JobdeckError
from . import screen
from .commands import PROGRAM, program

DONE, REFUSED, USAGE = 0, 1, 2
STDOUT = 1
INTERRUPTED = 128 + signal.SIGINT
PIPE_CLOSED = 128 + signal.SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code. What goes wrong is told in one line on stderr."""
    screen.prepare_streams()
    if os.getcwd() not in sys.path:
        # As `python -m` does it: job types and applications in the current folder are found.
        sys.path.insert(0, os.getcwd())
    given = list(sys.argv[1:] if arguments is None else arguments)
    context: click.Context | None = None
    try:
        context = program.make_context(PROGRAM, given)
        with context:
            code = program.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except click.exceptions.Exit as request:
        return request.exit_code
    except click.UsageError as error:
        _explain(error)
        return USAGE
    except click.ClickException as error:
        screen.complain(error.format_message())
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as error:
        by_hand = isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt)
        return INTERRUPTED if by_hand else REFUSED
    except BrokenPipeError:
        _leave_stdout_alone()
        return PIPE_CLOSED
    except JobdeckError as error:
        _trace_if_asked(context)
        screen.complain(screen.told(error))
        return REFUSED
    except Exception as error:  # whatever it is, an operator is told in one line, and how to see more
        if not _trace_if_asked(context):
            screen.complain(f"unexpected {type(error).__name__}: {error} (--debug before the command shows where)")
        return REFUSED


def _explain(error: click.UsageError) -> None:
    """One line, where click would print three; a group named without a command shows its help."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click 8.1 has none and exits with 0
        click.echo(error.format_message(), err=True)
        return
    hint = f" (`{error.ctx.command_path} --help` tells more)" if error.ctx else ""
    screen.complain(error.format_message() + hint)


def _trace_if_asked(context: click.Context | None) -> bool:
    if context is None or not context.params.get("debug"):
        return False
    traceback.print_exc()
    return True


def _leave_stdout_alone() -> None:
    """Whoever read our output has gone: let the interpreter's last flush go nowhere, instead of complaining."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)
