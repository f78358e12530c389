"""What batches save: tasks of a function that does nothing, from the queue to it and back, by how many go in one request.

    python tests/bench/batching.py [--count 1000] [--times 5]

Valkey, one gunicorn as functions are served, one pump. Prints a table in Markdown: the median of the tasks a second, and the range of
the ratios to one task a request, each with its neighbour of the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from cli.servers.process import LOOPBACK, Process, answers, free_port, gunicorn  # noqa: E402 - the script runs from anywhere
from cli.servers.valkey import Valkey  # noqa: E402
from events.pump import Pump, Told  # noqa: E402
from events.queue.consumer import Consumer  # noqa: E402
from events.queue.depth import depth  # noqa: E402
from events.queue.dispatch import Dispatcher  # noqa: E402
from events.queue.messages import Message  # noqa: E402
from events.queue.queue import Queue  # noqa: E402
from events.queue.server import Server  # noqa: E402
from kadr.storage.files import FileStore  # noqa: E402

SIZES = (1, 4, 16)


class Standing:
    def __init__(self, address: str) -> None:
        self._address = address

    def addresses(self) -> list[str]:
        return [self._address]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    rates: dict[int, list[float]] = {size: [] for size in SIZES}
    port = free_port()
    with tempfile.TemporaryDirectory() as name, Valkey(Path(name) / "valkey") as valkey:
        command = gunicorn("tests.bench.peer.batch_app:app", f"{LOOPBACK}:{port}", 4, 0, 5)
        log, env = Path(name) / "function.log", {"PYTHONPATH": str(ROOT)}
        with Process("function", command, log, lambda: answers(port), env):
            for number in range(asked.times):
                for size in SIZES:
                    server = Server(valkey.url, prefix=f"b{number}-{size}")
                    rates[size].append(rate(server, f"http://{LOOPBACK}:{port}/", size, asked.count))
                    server.close()
    print("| tasks a request | tasks/s | times one a request |\n|---:|---:|---:|")
    for size, found in rates.items():
        ratios = [mine / one for mine, one in zip(found, rates[1], strict=True)]
        spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f})"
        print(f"| {size} | {statistics.median(found):.0f} | {spread} |")


def rate(server: Server, address: str, size: int, count: int) -> float:
    """Tasks a second, from the first that is taken to the last that is acknowledged."""
    queue, dispatcher = Queue(server), Dispatcher(server)
    body = {"user_id": "anna", "run_id": "0" * 8}
    queue.ready_all(
        [Message("ocr", "r", f"owner{n % 10}", f"ocr.{n}", json.dumps(body), "k" * 64) for n in range(count)]
    )
    dispatcher.dispatch("ocr", count)
    told = Told(lambda name: None, lambda task: None)
    store = FileStore(Path(tempfile.gettempdir()))
    pump = Pump(Consumer(server, "ocr"), queue, store, Standing(address), told, most=1, batch=size)
    began = time.perf_counter()
    pump.start()
    while depth(server, "ocr").finished < count:
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    pump.stop()
    return count / seconds


if __name__ == "__main__":
    main()
