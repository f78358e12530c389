"""What was found, in the formats that other programs read: one module a format, each a pure function of a run's insights."""
