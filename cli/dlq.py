"""``kadr dlq``: tasks that the service gave up, with all that is known of them, until they are replayed or dropped."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from cli.running import service
from cli.service import Service
from cli.tables import print_json, print_table
from cli.text import number, printable
from kadr.contracts.errors import KadrError
from kadr.contracts.run import ACQUIRE

if TYPE_CHECKING:
    from events.queue.deadletters import DeadLetters, Letter

SHOWN = 100
"""Characters of a reason in the list."""
WORDS = {
    "queued": "in line again",
    "retried": "its run is tried again",
    "already": "nothing to do: its run was tried again since, or the task has succeeded",
    "gone": "its run was removed, and the letter with it",
}


class NoSuchLetter(KadrError):
    """There is no such dead letter: `kadr dlq list` names those that there are."""

    status = 422


class NoSuchFunction(KadrError):
    """There is no such function."""

    status = 422


as_json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of words.")
ids_argument = click.argument("ids", metavar="ID", nargs=-1)
every_option = click.option(
    "--all", "every", is_flag=True, help="All dead letters, of all functions unless one is named."
)
function_option = click.option("--function", help="With --all: of this function alone.")


@click.group("dlq")
def command() -> None:
    """Dead letters: tasks that were given up. The service is the one that runs here, or that KADR_REDIS_URL names."""


@command.command("list")
@click.argument("function", required=False)
@as_json_option
def list_letters(function: str | None, as_json: bool) -> None:
    """List dead letters, of FUNCTION alone if it is named; the newest first."""
    found = service()
    letters = sorted(_all(found, _functions(found, function)), key=lambda letter: -letter.died_ms)
    if as_json:
        return print_json([_plain(letter) for letter in letters])
    if not letters:
        print("no dead letters")
        return None
    rows = [
        (letter.id, letter.message.function, _age(letter), _attempts(letter), _why(letter))
        for letter in letters
    ]
    print_table(("id", "function", "died", "attempts", "why"), rows, right=("attempts",), whole=("id",))
    print(number(len(letters), "dead letter"))
    return None


@command.command("show")
@click.argument("letter_id", metavar="ID")
@as_json_option
def show_letter(letter_id: str, as_json: bool) -> None:
    """Show one dead letter: every attempt that failed, and the event as it was."""
    letter = _named(service(), [letter_id])[0]
    plain = _plain(letter)
    if as_json:
        return print_json(plain)
    event = plain.pop("event")
    history = plain.pop("history")
    for name, value in plain.items():
        print(f"{name:9} {printable(str(value))}")
    for attempt in history:
        print(f"attempt {attempt['attempt']}: {printable(attempt['code'])}: {printable(attempt['message'])}")
    print(printable(json.dumps(event, indent=1, ensure_ascii=False)))
    return None


@command.command("replay")
@ids_argument
@every_option
@function_option
@as_json_option
def replay_letters(ids: tuple[str, ...], every: bool, function: str | None, as_json: bool) -> None:
    """Try the tasks again: in their run where it is open, else by trying the run's failed parts again."""
    from events.replaying import Replay

    found = service()
    replay = Replay(found.store, _letters(found), found.hint)
    done = []
    for letter in _chosen(found, ids, every, function):
        how = replay(letter).value
        done.append({"id": letter.id, "run_id": letter.message.run_id, "result": how})
        if not as_json:
            print(f"{letter.id}: {WORDS[how]}")
    if as_json:
        return print_json(done)
    counts = Counter(entry["result"] for entry in done)
    print(", ".join(f"{n} {how}" for how, n in sorted(counts.items())) or "no dead letters")
    return None


@command.command("drop")
@ids_argument
@every_option
@function_option
@as_json_option
def drop_letters(ids: tuple[str, ...], every: bool, function: str | None, as_json: bool) -> None:
    """Forget dead letters. Their failures stay on record in their runs, which can still be tried again."""
    found = service()
    letters = _letters(found)
    dropped = sum(
        letters.drop(one.message.function, [one.id]) for one in _chosen(found, ids, every, function)
    )
    print_json({"dropped": dropped}) if as_json else print(f"{number(dropped, 'dead letter')} dropped")


def _letters(found: Service) -> DeadLetters:
    from events.queue.deadletters import DeadLetters

    return DeadLetters(found.server)


def _functions(found: Service, named: str | None = None) -> Sequence[str]:
    from events.answers.outbox import ANSWERS

    known = [ACQUIRE, *found.catalogue.components, ANSWERS]
    if named is not None and named not in known:
        raise NoSuchFunction(f"there is no function {named!r}: there are {', '.join(sorted(known))}")
    return [named] if named is not None else known


def _all(found: Service, functions: Sequence[str]) -> Iterator[Letter]:
    letters = _letters(found)
    for function in functions:
        yield from letters.all(function)


def _chosen(found: Service, ids: Sequence[str], every: bool, function: str | None) -> list[Letter]:
    """Before any of them is touched. Raises UsageError, NoSuchLetter, NoSuchFunction."""
    if every == bool(ids):
        raise click.UsageError(
            "name the dead letters by their IDs (`kadr dlq list`), or all of them by --all"
        )
    if function is not None and not every:
        raise click.UsageError("--function goes with --all: an ID names its letter by itself")
    return (
        list(_all(found, _functions(found, function))) if every else _named(found, list(dict.fromkeys(ids)))
    )


def _named(found: Service, ids: Sequence[str]) -> list[Letter]:
    letters, functions = _letters(found), _functions(found)
    chosen = []
    for letter_id in ids:
        if (one := next(filter(None, (letters.show(f, letter_id) for f in functions)), None)) is None:
            raise NoSuchLetter(
                f"there is no dead letter {letter_id[:200]!r}: `kadr dlq list` names those that there are"
            )
        chosen.append(one)
    return chosen


def _plain(letter: Letter) -> dict[str, Any]:
    from kadr.telemetry.logs import trace_id

    m = letter.message
    return {
        "id": letter.id,
        "function": m.function,
        "owner": m.owner,
        "run_id": m.run_id,
        "epoch": m.epoch,
        "task": m.task,
        "trace_id": trace_id(m.trace),
        "attempts": m.attempt,
        "code": letter.failure.code,
        "message": letter.failure.text,
        "ready_ms": letter.ready_ms,
        "died_ms": letter.died_ms,
        "history": [
            {"attempt": a.attempt, "at_ms": a.at_ms, "code": a.failure.code, "message": a.failure.text}
            for a in letter.history
        ],
        "event": _event(m.body),
    }


def _event(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _age(letter: Letter) -> str:
    seconds = max(0, int(time.time() - letter.died_ms / 1000))
    size, unit = next(((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min")) if seconds >= s), (1, "s"))
    return f"{seconds // size} {unit} ago"


def _attempts(letter: Letter) -> int:
    return letter.message.attempt


def _why(letter: Letter) -> str:
    text = " ".join(f"{letter.failure.code}: {letter.failure.text}".split())
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
