"""Kadr: video analysis whose runs are builds."""

__version__ = "0.1.0"
