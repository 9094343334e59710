"""What methods cost: layers, networks and whole runs, timed side by side.

Every case is measured in processes of its own (:mod:`crossbench.bench.worker`), so that a method
that runs out of memory, or is killed for it, is a result and not the end of the bench.
"""
