"""From files to batches: sources, splits, transforms."""
