"""``python -m crossbench``."""

import sys

from crossbench.execution.interpreter import leave_working_folder

if __name__ == "__main__":
    leave_working_folder()
    from crossbench.cli import main

    sys.exit(main())
