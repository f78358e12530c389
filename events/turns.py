"""Whose hints are looked at next: one owner's after another's, so that who sends a thousand runs at once holds up nobody."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from events.hints import Hint
from kadr.storage import layout


class Turns:
    """Hints that were taken and not looked at yet. Each owner's keep their order."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[Hint]] = OrderedDict()
        self._ids: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, hints: Iterable[Hint]) -> None:
        """One that waits here already, because its lease ran out meanwhile, is not added again."""
        for hint in hints:
            if hint.id not in self._ids:
                self._ids.add(hint.id)
                self._lines.setdefault(_owner(hint), deque()).append(hint)

    def take(self, count: int) -> list[Hint]:
        """Up to ``count`` of them; the owner who was served last waits longest."""
        taken: list[Hint] = []
        while self._lines and len(taken) < count:
            owner, line = self._lines.popitem(last=False)
            taken.append(line.popleft())
            if line:
                self._lines[owner] = line
        self._ids.difference_update(hint.id for hint in taken)
        return taken


def _owner(hint: Hint) -> str:
    if hint.lost is not None:
        return str(hint.lost.get("owner", ""))
    found = (layout.parse_run(name) for name in hint.names)
    return next((run[0] for run in found if run is not None), "")
