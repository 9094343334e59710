"""Submissions: bundles made of one's own runs, and those of others validated and verified."""
