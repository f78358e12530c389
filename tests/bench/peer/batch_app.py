"""A function that does nothing but say so, behind the same HTTP as any: what a task costs on its way there and back."""

from flask import Flask, Response, request

from events.batches import Batches
from events.health import add_health

app = Flask("nothing")
batches = Batches(lambda event: Response('{"cached": false}', 200, content_type="application/json"))
app.add_url_rule("/", "run", lambda: batches(request), methods=["POST"])
add_health(app, lambda: "")
