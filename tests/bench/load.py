"""How the service bears load: `python tests/bench/load.py fair | line | latency | http`. Each prints a table in Markdown.

fair      1,000 runs of ten owners at once, through the whole service (minutes)
line      ten hours of one owner's video beside nine small ones, at the queue: fair by work
latency   from a file's PUT to its task's start, warm and from zero, and where the time goes
http      a task by HTTP to a function, beside one in process
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("fair", "line", "latency", "http"))
    parser.add_argument("--count", type=int, help="runs, tasks or starts; each part has a number of its own")
    asked = parser.parse_args()
    if asked.part == "fair":
        from tests.bench import load_fair

        load_fair.run(asked.count or 1000)
    elif asked.part == "line":
        from tests.bench import load_line

        load_line.run()
    elif asked.part == "latency":
        from tests.bench import load_latency

        load_latency.run(asked.count or 20)
    else:
        from tests.bench import load_http

        load_http.run(asked.count or 300)


if __name__ == "__main__":
    main()
