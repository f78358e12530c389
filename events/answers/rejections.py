"""Who asked for a run by an event that is refused is told so, if the event names a callback."""

from __future__ import annotations

import uuid

from events.admission import NAMESPACE
from events.answers.outbox import Outbox
from events.answers.targets import CALLBACK, Target
from events.answers.telling import rejected
from events.binding import Event, to_json
from kadr.contracts.errors import KadrError
from kadr.storage import layout


class Rejections:
    """Told of each refused event that names an owner and a callback; a repeat is told once."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox

    def __call__(self, owner: str, event_id: str, callback_url: str, event: Event, error: KadrError) -> None:
        """``event_id``: what the run's id would have been made from. Raises StoreFailure."""
        run_id = str(uuid.uuid5(NAMESPACE, f"{owner}/{event_id}"))
        if self.outbox.store.exists(layout.request(owner, run_id)):
            return  # the same event asked for it well before
        told = rejected(owner, run_id, {"source": event.source, "id": event.id}, error.code, str(error))
        target = Target(CALLBACK, callback_url)
        if (told.id, target.name) not in self.outbox.known(owner, run_id):
            self.outbox.tell(self.outbox.owe(owner, run_id, told, to_json(told), [target]))
