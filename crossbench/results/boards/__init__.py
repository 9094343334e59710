"""Boards: what records amount to, as tables of figures with their statistics."""
