"""Bundles: a method's runs, source and environment in one file, written and read."""
