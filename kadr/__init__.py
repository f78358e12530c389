"""Kadr: video analysis whose runs are builds."""

__version__ = "0.3.0"
