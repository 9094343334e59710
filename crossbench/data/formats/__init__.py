"""File formats that samples are read from, one a module."""
