"""Celery with Redis as its broker, results ignored, the solo pool: the task's body runs in the worker's process."""

import os
import sys

from celery import Celery
from queue_stopwatch import COUNT, PAYLOAD, publishing, ran

app = Celery("queue_celery", broker=os.environ["BENCH_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=100, task_acks_late=True)


@app.task(name="body")
def body(payload: dict) -> None:
    ran()


if __name__ == "__main__":
    if sys.argv[1] == "publish":
        with publishing():
            for _ in range(COUNT):
                body.delay(PAYLOAD)
    else:
        sys.modules["queue_celery"] = sys.modules["__main__"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=ERROR"]
        app.worker_main(["worker", "--pool=solo", *quiet])
