"""Kadr's queue: one process publishes, one dispatches, takes, runs the body and finishes, in batches."""

import json
import os
import sys
import time

from queue_stopwatch import COUNT, PAYLOAD, publishing, told

from events.queue.consumer import Consumer
from events.queue.dispatch import Dispatcher
from events.queue.messages import Message
from events.queue.queue import Queue
from events.queue.server import Server

CAPACITY = 500


def publish(server: Server, one_by_one: bool) -> None:
    queue = Queue(server)
    with publishing():
        messages = [message(n) for n in range(COUNT)]
        if one_by_one:
            for each in messages:
                queue.ready(each)
        else:
            queue.ready_all(messages)


def message(n: int) -> Message:
    return Message("ocr", "run", f"owner{n % 10}", f"ocr.{n}", json.dumps(PAYLOAD), key="k" * 64)


def work(server: Server, size: int) -> None:
    dispatcher, consumer, done = Dispatcher(server), Consumer(server, "ocr"), 0
    began = time.perf_counter()
    while done < COUNT:
        dispatcher.dispatch("ocr", CAPACITY)
        while entries := consumer.take(size):
            for entry in entries:
                json.loads(entry.message.body)
            consumer.finish(entries)
            done += len(entries)
    told(time.perf_counter() - began)


if __name__ == "__main__":
    verb, size = sys.argv[1], int(sys.argv[2])
    broker = Server(os.environ["BENCH_URL"])
    if verb == "publish":
        publish(broker, one_by_one=size == 1)
    else:
        work(broker, size)
