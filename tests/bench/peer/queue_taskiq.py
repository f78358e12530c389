"""taskiq with a Redis stream as its broker (it acknowledges), one worker process, no results kept."""

import asyncio
import os
import sys

from queue_stopwatch import COUNT, PAYLOAD, publishing, ran
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(os.environ["BENCH_URL"], xread_count=200)
BATCH = 100


@broker.task(task_name="body")
async def body(payload: dict) -> None:
    ran()


async def publish() -> None:
    await broker.startup()
    with publishing():
        for start in range(0, COUNT, BATCH):
            await asyncio.gather(*(body.kiq(PAYLOAD) for _ in range(min(BATCH, COUNT - start))))
    await broker.shutdown()


async def work() -> None:
    broker.is_worker_process = True
    await broker.startup()
    await run_receiver_task(broker, max_async_tasks=100)


if __name__ == "__main__":
    asyncio.run(publish() if sys.argv[1] == "publish" else work())
