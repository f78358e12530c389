"""How many replicas a function needs: the formula that KEDA and the autoscaler behind it use, for one machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """``target`` entries a replica (containerConcurrency); fewer replicas only after ``cooldown_ms`` of less demand."""

    target: int
    maximum: int
    cooldown_ms: int = 30_000


@dataclass(frozen=True)
class Scale:
    """How many replicas are wanted, and when so many were last needed."""

    replicas: int = 0
    needed_ms: int = 0


def desired(in_stream: int, rule: Rule) -> int:
    """ceil(depth in the stream / target), 0 to the maximum; depth in the stream = lag + pending."""
    return min(rule.maximum, -(-max(in_stream, 0) // max(rule.target, 1)))


def step(scale: Scale, in_stream: int, rule: Rule, now_ms: int) -> Scale:
    """Up at once, down once the demand was lower for the whole cooldown."""
    wanted = desired(in_stream, rule)
    if wanted >= scale.replicas:
        return Scale(wanted, now_ms)
    if now_ms - scale.needed_ms < rule.cooldown_ms:
        return scale
    return Scale(wanted, now_ms)
