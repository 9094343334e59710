"""Runs: the request, the plan that decides, what a run computes on, and its record."""
