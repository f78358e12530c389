"""A worker of its own process: takes entries, keeps them by heartbeats, and writes down what it finished, one id a line."""

from __future__ import annotations

import sys
import time

from events.queue.consumer import Consumer
from events.queue.dispatch import Dispatcher
from events.queue.server import Server


def main(url: str, prefix: str, work_ms: str) -> None:
    server = Server(url, prefix)
    consumer, dispatcher = Consumer(server, "ocr", lease_ms=400), Dispatcher(server)
    print("up", flush=True)
    while True:
        dispatcher.dispatch("ocr", 8)
        for entry in consumer.take(4, block_ms=50):
            time.sleep(int(work_ms) / 1000)
            if not consumer.finish([entry]):
                print(entry.message.task, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
