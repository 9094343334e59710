"""Tasks, presets and methods by name: entry points, plugin files, identity."""
