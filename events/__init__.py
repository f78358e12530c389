"""The chain as events: queue, hints, router, dispatcher, pumps, entrances. The bucket stays the truth; all here may be lost."""
