"""Servers that Kadr starts on this machine when it is given none: each on loopback, with its data in a folder of ours."""
