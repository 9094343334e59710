"""Metrics, plain baselines and statistics: numbers from arrays, without torch."""
