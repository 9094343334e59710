"""``python -m crossbench``."""

import sys

from crossbench.cli import main

if __name__ == "__main__":
    sys.exit(main())
