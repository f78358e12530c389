"""What the service's processes say of themselves: logs as lines of JSON, and metrics."""
