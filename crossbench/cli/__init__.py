"""The command line: arguments in, exit code out; everything heavy is imported when needed.

Each command is a module with one function ``add``, which adds its parser.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from crossbench.cli import (
    bench,
    board,
    check_method,
    compare,
    dashboard,
    data,
    listing,
    merge,
    new_method,
    predict,
    pretrain,
    report,
    run,
    submit,
    transfer,
    validate,
    verify,
    weights,
)
from crossbench.cli.names import check_names
from crossbench.cli.output import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_REQUEST
from crossbench.cli.streams import take_any_text
from crossbench.cli.watched import is_watched, watch
from crossbench.errors import CrossbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS = (
    run,
    submit,
    predict,
    pretrain,
    transfer,
    bench,
    check_method,
    listing,
    new_method,
    data,
    report,
    compare,
    dashboard,
    merge,
    validate,
    verify,
    board,
    weights,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name. None takes this process's own, and has
            what runs code of methods done in a process that is watched.

    Returns:
        0 when all is well, 1 when some run failed or its process died, 2 when the request was
        wrong, 130 when interrupted.
    """
    take_any_text()
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(words)
    if arguments is None and is_watched(options):
        return watch(options, lambda: _do(options))
    return _do(options)


def _do(options: argparse.Namespace) -> int:
    """Do what is asked for; whatever comes of it is an exit code."""
    try:
        check_names(options)
        code: int = options.command(options)
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK
    except (CrossbenchError, OSError) as error:  # a folder without permission, a full disk
        print(f"crossbench: {error}", file=sys.stderr)
        return EXIT_REQUEST
    except KeyboardInterrupt:
        print("crossbench: interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    except SystemExit as error:
        said = f"a method's code called sys.exit({error.code!r}), and nothing was done"
        print(f"crossbench: {said}", file=sys.stderr)
        return EXIT_FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crossbench",
        description="A benchmark for convolutions that carry 2D knowledge into 3D medical images.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        print(f"crossbench {version('crossbench')}")
        parser.exit()
