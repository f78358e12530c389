"""The command line: ``kadr COMMAND``. Commands are imported when they are called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import io
import os
import sys

import click

from cli.text import printable
from kadr import __version__
from kadr.contracts.errors import Interrupted, KadrError

EXIT_USAGE, EXIT_USAGE_STATUS = 2, 422
"""What was asked cannot be done as it was written (InvalidProfile): the shell's code for wrong usage."""
EXIT_UNFORESEEN = 70
"""EX_SOFTWARE of sysexits.h."""
COMMANDS = {
    "analyze": ("cli.analyze", "Analyse videos and write a report beside each."),
    "plan": ("cli.plan", "Say what an analysis would compute, why, and what it would cost."),
    "show": ("cli.show", "Show a run: what was found, what is missing and why, where to look."),
    "verify": ("cli.verify", "Make a run's results again and compare them with what it recorded."),
    "export": ("cli.export", "Write captions, tables, timelines and more for other programs."),
    "gc": ("cli.gc", "Remove what nobody needs: expired intermediates, old runs, results of no run."),
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_Lazy)
@click.version_option(__version__, prog_name="kadr")
def root() -> None:
    """Kadr turns videos into a reproducible, searchable record, on your own machine."""


def main() -> None:
    """Run the command line; every error a person can meet is one clear sentence and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # file names need not be UTF-8; in JSON it is an escape
    try:
        root.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # nobody reads on: say no more, not even at exit
        sys.exit(141)
    except Interrupted as stopped:
        click.echo(str(stopped), err=True)
        sys.exit(stopped.exit_code)
    except KadrError as error:
        click.echo(printable(f"kadr: {error}"), err=True)
        sys.exit(EXIT_USAGE if error.status == EXIT_USAGE_STATUS else 1)
    except Exception as error:
        from cli.crash import unforeseen

        click.echo(printable(f"kadr: {unforeseen(error)}"), err=True)
        sys.exit(EXIT_UNFORESEEN)


if __name__ == "__main__":
    main()
