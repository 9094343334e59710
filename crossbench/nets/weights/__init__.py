"""Weights: checkpoints, key matching, loading, the catalogue of known ones, inspection."""
