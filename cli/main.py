"""The command line: ``kadr COMMAND``. Commands are imported when they are called, so that ``--help`` is quick."""

from __future__ import annotations

import errno
import importlib
import io
import json
import os
import sys

import click

from cli.text import printable
from kadr import __version__
from kadr.contracts.errors import Interrupted, KadrError
from kadr.contracts.faults import meant

EXIT_USAGE, EXIT_USAGE_STATUS = 2, 422
"""What was asked cannot be done as it was written (InvalidProfile): the shell's code for wrong usage."""
EXIT_STOPPED = 130
EXIT_UNFORESEEN = 70
"""EX_SOFTWARE of sysexits.h."""
COMMANDS = {
    "analyze": ("cli.analyze", "Analyse videos and write a report beside each."),
    "plan": ("cli.plan", "Say what an analysis would compute, why, and what it would cost."),
    "show": ("cli.show", "Show a run: what was found, what is missing and why, where to look."),
    "verify": ("cli.verify", "Make a run's results again and compare them with what it recorded."),
    "export": ("cli.export", "Write captions, tables, timelines and more for other programs."),
    "diff": ("cli.diff", "Say what one run found otherwise than another."),
    "backfill": (
        "cli.backfill",
        "Ask videos analysed before what another profile asks: plan first, then the delta.",
    ),
    "gc": ("cli.gc", "Remove what nobody needs: expired intermediates, old runs, results of no run."),
    "index": (
        "cli.index",
        "The index in PostgreSQL: its schema, rebuilding it from the store, what the two disagree about.",
    ),
    "up": ("cli.up", "Start the service on this machine: API, inbox, functions scaled from zero."),
    "submit": ("cli.submit", "Upload a video to a service and have it analysed there."),
    "top": ("cli.top", "What every function of a service does now, live."),
    "dlq": ("cli.dlq", "Dead letters: tasks that a service gave up, to be replayed or dropped."),
    "models": ("cli.models", "List, fetch and check model weights."),
    "new-component": ("cli.new_component", "Write a new component that already runs, with its test."),
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{meant(args[0], COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kadr")
def root() -> None:
    """Kadr turns videos into a reproducible, searchable record, on your own machine."""


def main() -> None:
    """Run the command line; every error a person can meet is one clear sentence and an exit code."""
    _open_streams()
    try:
        try:
            root.main(standalone_mode=False)
        except click.exceptions.Exit as stop:
            sys.exit(stop.exit_code)
        except (Exception, KeyboardInterrupt) as error:
            sys.exit(_tell(error))
        finally:
            sys.stdout.flush()
    except OSError:  # standard output itself takes no more: say nothing there, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _open_streams() -> None:
    """Streams that the caller closed swallow what is said; file names need not be UTF-8, and in JSON that is an escape."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as the program runs
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _tell(error: BaseException) -> int:
    """Say ``error`` to the person and, if JSON was asked for, to the program that reads it. Returns the exit code."""
    code, message, status = _understood(error)
    if isinstance(error, click.ClickException):
        error.show()
    else:
        click.echo(printable(message if code == Interrupted.__name__ else f"kadr: {message}"), err=True)
    if "--json" in sys.argv[1:]:
        said = {"event": "error", "code": code, "message": message, "exit_code": status}
        print(json.dumps(said, ensure_ascii=False))
    return status


def _understood(error: BaseException) -> tuple[str, str, int]:
    """What ``error`` is called, what it says, and the exit code that it means."""
    match error:
        case click.ClickException():
            return "WrongUsage", error.format_message(), error.exit_code
        case click.Abort() | KeyboardInterrupt():
            return Interrupted.__name__, "stopped", EXIT_STOPPED
        case Interrupted():
            return error.code, str(error), error.exit_code
        case KadrError():
            return error.code, str(error), EXIT_USAGE if error.status == EXIT_USAGE_STATUS else 1
        case OSError(errno=errno.ENOSPC, filename=None):
            return "NoSpaceLeft", "there is no space left where standard output goes", 1
    from cli.crash import unforeseen

    return "Unforeseen", str(unforeseen(error)), EXIT_UNFORESEEN


if __name__ == "__main__":
    main()
