"""Processes: how each is started, how it ended, and what attempts at runs were abandoned."""
