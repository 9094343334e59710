"""Fitting a network to a task, and predicting with it."""
