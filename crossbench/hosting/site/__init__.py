"""The static site of a hosted board: pages of text and pictures that open from a folder."""
