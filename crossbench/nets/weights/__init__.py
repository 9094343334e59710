"""Weights: checkpoints, key matching, loading, catalogue, inspection."""
