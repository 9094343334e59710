"""The dashboard: views over results, which read and show and compute nothing of their own."""
