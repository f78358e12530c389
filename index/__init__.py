"""The index in PostgreSQL: what can be asked quickly of what the bucket holds. Drop it and `kadr index rebuild` brings it back."""
