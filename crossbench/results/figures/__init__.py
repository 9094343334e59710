"""Figures: what boards and benches say, drawn as Vega-Lite and rendered as pictures."""
