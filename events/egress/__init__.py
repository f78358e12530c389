"""What goes out of the service: one proxy with a filter, and what fetches through it."""
