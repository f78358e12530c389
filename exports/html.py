"""The report page as it was made: one file that loads nothing, save the video that it plays."""

from __future__ import annotations

from exports.source import Exported, Options, Source

NOTE = "html: the page looks for the video where the report was made; elsewhere it shows the stored pictures"


def export(source: Source, _: Options) -> Exported:
    return Exported.one(".html", source.file("report.html"), NOTE)
