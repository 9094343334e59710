"""The environment of a computation: seeds, arithmetic, global state, hardware, versions."""
