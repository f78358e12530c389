"""A closed run as the render stage sees it: its manifest and its merged results, and nothing that could change it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from kadr.contracts.artifact import Artifact


class RunView(Protocol):
    """Read-only view of a closed run."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The closed epoch's manifest as plain JSON values: run facts, ``components``, ``records``, ``platform``."""
        ...

    @property
    def title(self) -> str:
        """What people call the video, usually its file name. Untrusted text."""
        ...

    @property
    def video_href(self) -> str:
        """URL of the video, relative to the report's folder, for the player; "" when it is not known."""
        ...

    def artifact(self, component: str) -> Artifact | None:
        """The component's merged result; of several outputs the one named like the component.

        None when the component is not in the profile, failed or was blocked.
        """
        ...
