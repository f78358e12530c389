"""A worker host that lies, dies or hangs: it is ended, its work fails or is tried again, nothing of it is executed."""

from __future__ import annotations

import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.run import Record
from kadr.pipeline.messages import Advanced, Finished, Noted, RenderSpec, decode, encode
from kadr.pipeline.workers import Host, ready

WORK = RenderSpec("local", "run", "m" * 64, "report", "")


def host(tmp_path: Path, body: str) -> Host:
    """A host whose process runs ``body`` with ``connection`` to its coordinator."""
    script = tmp_path / "host.py"
    head = "import os, pickle, sys, time\nfrom multiprocessing.connection import Connection\n"
    script.write_text(head + "connection = Connection(int(sys.argv[1]))\n" + textwrap.dedent(body))
    return Host("strange", [sys.executable, str(script)])


def outcome(one: Host, timeout_s: float = 20) -> list[Any]:
    """What came of the work in hand."""
    one.begin(WORK, "tag", timeout_s)
    heard: list[Any] = []
    until = time.monotonic() + 30
    while not any(isinstance(m, Finished) for m in heard) and time.monotonic() < until:
        for ready_host in ready([one], 0.2):
            heard += [message for _, message in ready_host.read()]
        heard += [message for _, message in one.overdue()]
    one.stop()
    assert one.process is None
    return heard


def test_what_a_worker_says_is_parsed_never_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    lying = host(
        tmp_path,
        f"""
        class Evil:
            def __reduce__(self):
                return (os.system, ("touch {mark}",))
        connection.recv_bytes()
        connection.send_bytes(pickle.dumps(Evil()))
        time.sleep(60)
        """,
    )
    (said,) = outcome(lying)
    assert said.code == "WorkerDied"
    assert "said what no worker says" in said.message
    assert not mark.exists()


@pytest.mark.parametrize("body", ["connection.send_bytes(b'x' * (20 << 20))", "connection.send_bytes(b'{}')"])
def test_malformed_and_huge_messages_end_the_worker(tmp_path: Path, body: str) -> None:
    (said,) = outcome(host(tmp_path, f"connection.recv_bytes()\n{body}\ntime.sleep(60)\n"))
    assert said.code == "WorkerDied"
    assert said.retryable


def test_a_dying_workers_last_words_are_told(tmp_path: Path) -> None:
    (said,) = outcome(host(tmp_path, "connection.recv_bytes()\nsys.exit('the disk ate it')\n"))
    assert "ended with code 1 (the disk ate it) while report ran" in said.message


def test_a_worker_has_its_own_environment_beside_the_coordinators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is given is added to what it inherits."""
    monkeypatch.setenv("SAID", "by the person")
    body = "connection.recv_bytes()\nsys.exit(os.environ['OWN'] + ', ' + os.environ['SAID'])\n"
    one = host(tmp_path, body)
    one.environment = {"OWN": "given to the host"}
    (said,) = outcome(one)
    assert "(given to the host, by the person)" in said.message


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    (said,) = outcome(host(tmp_path, "connection.recv_bytes()\ntime.sleep(60)\n"), timeout_s=0.5)
    assert said.code == "ResourceExhausted"
    assert "did not finish within" in said.message


def test_notes_reach_the_person(tmp_path: Path) -> None:
    notes: list[str] = []
    body = 'connection.recv_bytes()\nconnection.send_bytes(b\'{"kind": "noted", "text": "careful"}\')\n'
    one = host(tmp_path, body)
    one.on_note = notes.append
    outcome(one)
    assert notes == ["careful"]


messages = st.one_of(
    st.builds(Advanced, ticket=st.integers(0, 99), fraction=st.floats(0, 1)),
    st.builds(Noted, text=st.text(max_size=20)),
    st.builds(Finished, ticket=st.integers(0, 99), code=st.text(max_size=9), busy=st.booleans()),
    st.builds(
        Finished,
        ticket=st.integers(0, 99),
        record=st.builds(Record, task=st.just("ocr"), key=st.just("0" * 64), results=st.just(())),
    ),
)


@given(messages)
def test_messages_survive_the_wire(message: Advanced | Noted | Finished) -> None:
    assert decode(encode(message)) == message


@given(st.binary(max_size=200))
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(body)


def test_a_worker_inherits_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens strangers' files: what it does not have it cannot give away."""
    for name in ("KADR_S3_SECRET_KEY", "KADR_DATABASE_URL", "kadr_redis_url", "KADR_CALLBACK_SECRET"):
        monkeypatch.setenv(name, "hush-hush")
    monkeypatch.setenv("KADR_THREADS", "3")
    body = "connection.recv_bytes()\nsys.exit(str([os.environ['KADR_THREADS'], 'hush-hush' in str(os.environ)]))\n"
    (said,) = outcome(host(tmp_path, body))
    assert "['3', False]" in said.message
