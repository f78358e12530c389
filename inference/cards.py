"""Reading model cards from folders of ``<name>/model.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from kadr.contracts.errors import KadrError
from kadr.contracts.model import ModelCard

BUILT_IN = Path(__file__).parent / "models"
"""The cards and weights that come with Kadr."""


class InvalidModelCard(KadrError):
    """A model card is not valid."""

    status = 422


@dataclass(frozen=True)
class CardFile:
    """A card and the folder it was read from."""

    card: ModelCard
    folder: Path


def read_card(path: Path) -> ModelCard:
    """The card in ``path``. Raises InvalidModelCard naming the file and every field at fault."""
    try:
        card = ModelCard.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidModelCard(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InvalidModelCard(f"{path}: {faults}") from error
    if card.name != path.parent.name:
        raise InvalidModelCard(f"{path}: name {card.name!r} must be the folder's name, {path.parent.name!r}")
    return card


def read_cards(folders: Iterable[Path]) -> dict[str, CardFile]:
    """Every card below ``folders``, by name; of two with one name, the one in the earlier folder."""
    found: dict[str, CardFile] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*/model.toml"))):
        found.setdefault(path.parent.name, CardFile(read_card(path), path.parent))
    return found
