"""Bundles: a method's runs, source and environment in one file, to be checked by others."""
