"""Runs on the machines of a Ray cluster, whose records come back to the one that asked."""
