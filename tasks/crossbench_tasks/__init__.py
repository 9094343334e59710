"""Task cards of the benchmark, one TOML file a task, and the data that ships with it."""
