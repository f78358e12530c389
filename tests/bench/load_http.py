"""What a task costs by HTTP: functions-framework under gunicorn, the task confined in its child, its record in the bucket."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import urllib3

from cli.compose import Machine
from cli.servers.juicefs import JuiceFS
from cli.servers.process import LOOPBACK, Process, answers, free_port, gunicorn
from cli.servers.valkey import Valkey
from cli.service import Service
from events import binding
from events.messages import event_id
from events.queue.closers import RedisClosers
from events.queue.consumer import Consumer
from events.queue.dispatch import Dispatcher
from events.queue.messages import Message
from events.queue.news import News
from events.queue.queue import Queue
from events.router import Router
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.pipeline.admission import request_for
from kadr.pipeline.recording import record_acquired
from kadr.pipeline.runner import Shell, run_task
from kadr.pipeline.spec import spec_from_json
from kadr.storage import layout
from kadr.storage.remembering import Remembering, is_result
from tests.media_files import write_video

FUNCTION, OWNER = "probe", "main"
THREADS = 4
WARM = 10
ROUNDS = 5
Contender = tuple[str, Callable[[Message], None], list[Message], int]
"""Its name, what it does with a task, its tasks, and how many at once."""


def run(count: int) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kadr-load-")))
        valkey = stack.enter_context(Valkey(folder / "valkey"))
        store = stack.enter_context(JuiceFS(folder / "objects"))
        os.environ |= {
            "KADR_HOME": str(folder / "home"),
            "KADR_REDIS_URL": valkey.url,
            "KADR_S3_ENDPOINT": f"http://{store.endpoint}",
            "KADR_S3_ACCESS_KEY": store.access_key,
            "KADR_S3_SECRET_KEY": store.secret_key,
        }
        service = Service()
        service.client.make_bucket()
        port = free_port()
        command = gunicorn("cli.function:app", f"{LOOPBACK}:{port}", THREADS, 0, 5)
        env = {"KADR_FUNCTION": FUNCTION}
        stack.enter_context(Process("function", command, folder / "function.log", lambda: answers(port), env))
        messages = ready(service, 3 * count + WARM)
        address = f"http://{LOOPBACK}:{port}/"
        print(table(service, messages, count, address))


def ready(service: Service, count: int) -> list[Message]:
    """Tasks as the router readies them, each of another video."""
    queue = Queue(service.server)
    news = News(service.server)
    closers = RedisClosers(service.server)
    router = Router(service.store, closers, service.catalogue, queue, service.sources, news)
    path = Path(tempfile.mkdtemp()) / "sound.mp4"
    write_video(path, tone_s=1.0)
    question = Machine().question(Profile(components=(FUNCTION,)))
    for _ in range(count):
        body = path.read_bytes() + os.urandom(16)
        video_id = hashlib.sha256(body).hexdigest()
        service.store.put(layout.video_source(OWNER, video_id), body)
        asked = request_for(question, "sound.mp4", "kadr:///inbox/main/sound.mp4", None, OWNER)
        service.store.put(layout.run_marker(OWNER, video_id, asked.run_id), b"{}")
        service.store.put(layout.request(OWNER, asked.run_id), jcs(asked.model_dump(mode="json")))
        record_acquired(service.store, asked.model_copy(update={"video_id": video_id}), 1)
        router.move(OWNER, asked.run_id)
    Dispatcher(service.server).dispatch(FUNCTION, count)
    taken = Consumer(service.server, FUNCTION, 600_000).take(count)
    return [entry.message for entry in taken]


def table(service: Service, messages: list[Message], count: int, address: str) -> str:
    pool = urllib3.PoolManager(maxsize=THREADS)

    def post(message: Message, kind: str = binding.TASK_READY) -> int:
        body = json.loads(message.body)
        number = event_id(body, message.task, message.key, message.epoch)
        event = binding.Event(number, "/bench", kind, body, time_ms=time.time_ns() // 1_000_000)
        headers, data = binding.to_http(event)
        return pool.request("POST", address, body=data, headers=headers).status

    def refused(message: Message) -> None:
        assert post(message, binding.RUN_COMPLETED) >= 400

    def done(message: Message) -> None:
        assert post(message) == 200

    shell = Shell(
        store=Remembering(service.store, is_result),
        claims=service.claims(FUNCTION),
        models=lambda names: {},
        device="cpu:1",
        ranged=service.sources,
    )

    def here(message: Message) -> None:
        run_task(shell, spec_from_json(json.loads(message.body)["task"]))

    for message in messages[:WARM]:
        done(message)
    rest = messages[WARM:]
    mine = [rest[n * count : (n + 1) * count] for n in range(3)]
    contenders = [
        ("shell alone: a task that it refuses", refused, mine[0], 1),
        (f"shell alone, {THREADS} at once", refused, mine[0], THREADS),
        ("task and record, by HTTP", done, mine[0], 1),
        (f"task and record, {THREADS} at once", done, mine[1], THREADS),
        ("task and record, in process", here, mine[2], 1),
    ]
    lines = [f"| {FUNCTION}, n = {count} | tasks/s | ms a task: median | p95 |", "|---|---:|---:|---:|"]
    for name, (rate, middle, most) in in_turns(contenders, count).items():
        lines.append(f"| {name} | {rate:.1f} | {middle:.1f} | {most:.1f} |")
    return "\n".join(lines)


def in_turns(contenders: Sequence[Contender], count: int) -> dict[str, tuple[float, float, float]]:
    """Tasks a second, median and 95th percentile of the milliseconds of one; what else the machine does meets all."""
    each: dict[str, list[float]] = {name: [] for name, *_ in contenders}
    took = dict.fromkeys(each, 0.0)
    size = max(1, count // ROUNDS)
    for start in range(0, count, size):
        for name, call, messages, at_once in contenders:
            began = time.perf_counter()
            each[name] += measured(call, messages[start : start + size], at_once)
            took[name] += time.perf_counter() - began
    found = {}
    for name, ms in each.items():
        found[name] = (len(ms) / took[name], statistics.median(ms), sorted(ms)[int(0.95 * len(ms))])
    return found


def measured(call: Callable[[Message], None], messages: Sequence[Message], at_once: int) -> list[float]:
    """Milliseconds of each."""

    def timed(message: Message) -> float:
        began = time.perf_counter()
        call(message)
        return 1000 * (time.perf_counter() - began)

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(timed, messages))
