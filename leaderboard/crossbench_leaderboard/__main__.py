"""The dashboard's process: ``python -m crossbench_leaderboard run APP ... -- DIR ...``.

It is ``streamlit`` with the same arguments, which meanwhile imports what the first view needs:
that takes about as long as the browser does to load the page.
"""

from __future__ import annotations

import importlib
import threading

from streamlit.web import bootstrap, cli  # noqa: F401  # bootstrap here, not beside the thread


def main() -> None:
    """Serve until told to end."""
    first = "crossbench_leaderboard.views.leaderboard"
    threading.Thread(target=importlib.import_module, args=[first], daemon=True).start()
    cli.main(prog_name="streamlit")


if __name__ == "__main__":
    main()
