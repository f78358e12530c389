"""Views of runs: whole or absent, never older than what was said before; and one manifest that closes an epoch."""

from __future__ import annotations

from events.queue.server import Server
from events.queue.views import RunViews, TaskView

DONE = TaskView("succeeded", {"scenes": "ab" * 32})


def test_a_view_is_built_once_and_then_kept_up(server: Server) -> None:
    views = RunViews(server)
    assert views.get("r") is None
    assert not views.update("r", {"probe": DONE}), "news of a part do not make a whole"
    assert views.get("r") is None
    assert views.put("r", views.begin("r"), {"probe": DONE})
    assert views.update("r", {"decode.1": TaskView("ready")})
    assert views.get("r") == {"probe": DONE, "decode.1": TaskView("ready")}
    assert views.get("another") is None


def test_a_view_of_a_run_without_tasks_is_a_view(server: Server) -> None:
    views = RunViews(server)
    assert views.put("r", views.begin("r"), {})
    assert views.get("r") == {}


def test_a_list_made_before_news_came_is_refused(server: Server) -> None:
    views = RunViews(server)
    token = views.begin("r")
    assert not views.update("r", {"probe": DONE})
    assert not views.put("r", token, {}), "its list may lack the news"
    assert views.put("r", views.begin("r"), {"probe": DONE})


def test_a_second_builder_does_not_undo_news(server: Server) -> None:
    views = RunViews(server)
    token = views.begin("r")
    assert views.begin("r") == token
    assert views.put("r", token, {})
    assert views.update("r", {"probe": DONE})
    assert not views.put("r", token, {})
    views.drop("r")
    assert views.get("r") is None
    assert not views.put("r", token, {}), "nor after the view was dropped"
    server.client.delete(*server.client.keys(f"{server.names.prefix}:*"))
    assert not views.put("r", token, {}), "nor after the server was flushed"


def test_a_view_expires(server: Server) -> None:
    views = RunViews(server, life_ms=60_000)
    views.put("r", views.begin("r"), {"probe": DONE})
    assert 0 < server.client.pttl(server.names.view("r")) <= 60_000


def test_the_first_manifest_that_is_named_closes_the_epoch(server: Server) -> None:
    views = RunViews(server)
    assert views.close("r", 1, "aa") == "aa"
    assert views.close("r", 1, "bb") == "aa"
    assert views.close("r", 2, "bb") == "bb"
