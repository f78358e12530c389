"""RQ: enqueued in batches by a pipeline; its ordinary worker forks for each job, its simple one runs them in process."""

import os
import sys
import time

from queue_stopwatch import COUNT, PAYLOAD, publishing, told
from redis import Redis
from rq import Queue, SimpleWorker, Worker

BATCH = 250


def body(payload: dict) -> None:
    pass


def publish(queue: Queue) -> None:
    for start in range(0, COUNT, BATCH):
        jobs = range(start, min(start + BATCH, COUNT))
        queue.enqueue_many([Queue.prepare_data("queue_rq.body", (PAYLOAD,), result_ttl=0) for _ in jobs])


def work(queue: Queue, kind: type[Worker]) -> None:
    began = time.perf_counter()
    kind([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")
    told(time.perf_counter() - began)


if __name__ == "__main__":
    tasks = Queue("bench", connection=Redis.from_url(os.environ["BENCH_URL"]))
    if sys.argv[1] == "publish":
        with publishing():
            publish(tasks)
    else:
        work(tasks, Worker if sys.argv[2] == "fork" else SimpleWorker)
