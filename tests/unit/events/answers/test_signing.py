"""Signatures of Standard Webhooks: what is signed verifies, by others' libraries too, and nothing that was changed does."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from events.answers import signing
from events.answers.signing import InvalidSecret, Unproven, check, key_of, keys_of, new_secret, sign

NOW = 1_700_000_000
KEYS = st.binary(min_size=24, max_size=64)
BODIES = st.binary(max_size=200)
TEXTS = st.text(max_size=80)


def test_the_example_of_the_specification() -> None:
    """As the scheme's own libraries sign it."""
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    made = sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_verifies_by_the_library_of_the_scheme() -> None:
    theirs = pytest.importorskip(
        "standardwebhooks", reason="standardwebhooks is not installed: nobody else's code verifies"
    )
    old, new = new_secret(), new_secret()
    body = '{"a":"é"}'.encode()
    given = signing.headers([key_of(new), key_of(old)], "event-1", body)
    for secret in (old, new):
        assert theirs.Webhook(secret).verify(body, given) == {"a": "é"}
    with pytest.raises(theirs.WebhookVerificationError):
        theirs.Webhook(new_secret()).verify(body, given)


@given(KEYS, BODIES)
def test_what_is_signed_is_proven_by_any_of_several_keys(key: bytes, body: bytes) -> None:
    other = b"o" * 32
    check([key], signing.headers([other, key], "id", body, NOW), body, NOW)
    check([other, key], signing.headers([key], "id", body, NOW), body, NOW)
    assume(key != other)
    with pytest.raises(Unproven):
        check([other], signing.headers([key], "id", body, NOW), body, NOW)


@given(st.sampled_from(["body", signing.ID, signing.TIMESTAMP, signing.SIGNATURE]), st.data(), KEYS, BODIES)
def test_nothing_that_was_changed_is_proven(what: str, data: st.DataObject, key: bytes, body: bytes) -> None:
    """Cut, added to, replaced, or one bit of it turned."""
    given = signing.headers([key], "an-id", body, NOW)
    whole = body if what == "body" else given[what].encode()
    at = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(at, len(whole)))
    changed = whole[:at] + data.draw(st.binary(max_size=5)) + whole[cut:]
    if data.draw(st.booleans()) and whole:
        at = data.draw(st.integers(0, len(whole) - 1))
        changed = whole[:at] + bytes([whole[at] ^ (1 << data.draw(st.integers(0, 7)))]) + whole[at + 1 :]
    assume(changed != whole)
    if what == "body":
        body = changed
    else:
        given[what] = changed.decode("latin-1")
        assume(
            what != signing.SIGNATURE or whole not in changed.split(b" ")
        )  # another beside it is no change
    with pytest.raises(Unproven):
        check([key], given, body, NOW)


@given(TEXTS, TEXTS, TEXTS)
def test_headers_of_any_text_are_refused_by_one_error(event_id: str, timestamp: str, signature: str) -> None:
    given = {signing.ID: event_id, signing.TIMESTAMP: timestamp, signing.SIGNATURE: signature}
    with pytest.raises(Unproven):
        check([b"k" * 32], given, b"", NOW)
    with pytest.raises(Unproven):
        check([b"k" * 32], {}, b"", NOW)


@pytest.mark.parametrize(
    ("aside_s", "good"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)]
)
def test_what_is_older_or_newer_than_five_minutes_proves_nothing(aside_s: int, good: bool) -> None:
    key = b"k" * 32
    given = signing.headers([key], "id", b"x", NOW)
    if good:
        return check([key], given, b"x", NOW + aside_s)
    with pytest.raises(Unproven, match="more than 300 s"):
        check([key], given, b"x", NOW + aside_s)
    return None


@pytest.mark.parametrize(
    "bad", ["", "whsec_", "whsec_AAAA", "whsec_!" + "A" * 40, base64.b64encode(b"x" * 32).decode()]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(bad: str) -> None:
    with pytest.raises(InvalidSecret) as refused:
        key_of(bad)
    assert not bad or bad not in str(refused.value).replace("whsec_ and", "")


def test_secrets_come_from_a_setting_or_from_the_file_that_it_names(tmp_path: Path) -> None:
    one, two = new_secret(), new_secret()
    path = tmp_path / "secrets"
    path.write_text(f"{one}\n{two}\n")
    assert keys_of(f"{one} {two}", "X") == keys_of(str(path), "X") == (key_of(one), key_of(two))
    path.write_text("nonsense")
    with pytest.raises(InvalidSecret, match=r"^X: "):
        keys_of(str(path), "X")
    with pytest.raises(InvalidSecret, match=r"^X: the file that it names cannot be read"):
        keys_of(str(tmp_path / "none"), "X")
