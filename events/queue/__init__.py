"""Task streams: what is to be done waits in Redis, fairly ordered, and is taken, kept, finished, tried again or given up.

Everything here is a hint that the reconciler can make again: the bucket is the truth.
"""
