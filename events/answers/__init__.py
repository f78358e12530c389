"""Answers going out: that runs and components ended is told to callback URLs, to a sink and to webhooks, signed, at least once."""
