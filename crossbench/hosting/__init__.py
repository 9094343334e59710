"""Hosted boards: a folder of accepted bundles, and the static site that is made of it."""
