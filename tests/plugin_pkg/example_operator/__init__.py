"""A third party's method and task."""
