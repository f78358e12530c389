"""The parts from which make_reel.py and make_long.py put the sample videos together."""
