"""The dashboard: views that show results and compute none."""
