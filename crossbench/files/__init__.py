"""Files: atomic writes, hashes, paths, the disk cache and git checkouts."""
