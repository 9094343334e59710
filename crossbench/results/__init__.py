"""Records on disk, and the tables made from them. Nothing here imports torch."""
