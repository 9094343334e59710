"""Numbers from arrays: metrics, plain baselines and statistics. Nothing here imports torch."""
