"""Importers of the tasks' original distributions, one a module."""
