"""Records on disk: written, read, checked, merged, validated and tabulated."""
