"""Arguments that several commands share, so that they are called and explained alike."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from crossbench.errors import RequestError
from crossbench.files.data_root import DataRoot
from crossbench.files.paths import data_dir, named_path
from crossbench.specs.requests import RunRequest


def path(text: str) -> Path:
    """The type of arguments that are paths.

    Raises:
        argparse.ArgumentTypeError: If no file can be called so.
    """
    try:
        return named_path(text)
    except RequestError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_folders(parser: Any) -> None:
    """Results folders to read, one or more."""
    parser.add_argument(
        "folders", type=path, nargs="+", metavar="DIR", help="results folders, read together"
    )


def add_out(parser: Any) -> None:
    """The results folder to write."""
    parser.add_argument("--out", type=path, default=Path("results"), help="results (results)")


def add_settings(
    parser: Any, *, flag: str = "--set", name: str = "settings", example: str = "fit.epochs=5"
) -> None:
    """Overrides of settings."""
    parser.add_argument(
        flag,
        dest=name,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override a setting, such as {example}; repeatable",
    )


def add_repetitions(parser: Any) -> None:
    """The seeds and folds to run."""
    parser.add_argument("--seeds", type=int, nargs="+", help="repetitions (the preset's)")
    parser.add_argument("--folds", type=int, nargs="+", help="folds of each repetition (all)")


def add_data_dir(parser: Any) -> None:
    """Folder of downloaded data."""
    parser.add_argument("--data-dir", help="downloaded data ($CROSSBENCH_DATA)")


def add_plugins(parser: Any) -> None:
    """Methods of the user's own."""
    parser.add_argument(
        "--plugin",
        dest="plugins",
        action="append",
        default=[],
        metavar="FILE.py",
        help="a file with a method of your own; its code is run; repeatable",
    )


def add_backbone(parser: Any) -> None:
    """The 2D network."""
    parser.add_argument("--backbone", default="resnet18", help="timm network (resnet18)")


def add_device(parser: Any) -> None:
    """Device of networks."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")


def matching(options: argparse.Namespace, kind: Any) -> dict[str, Any]:
    """Arguments of a command that fields of a dataclass have the names of; lists as tuples."""
    names = {field.name for field in fields(kind)}
    given = {name: value for name, value in vars(options).items() if name in names}
    return {name: tuple(each) if isinstance(each, list) else each for name, each in given.items()}


def run_request(options: argparse.Namespace) -> RunRequest:
    """The request that a command's arguments of the same names make."""
    return RunRequest.of(**matching(options, RunRequest))


def data_root(options: argparse.Namespace) -> DataRoot:
    """The data root that a command names, or the user's."""
    return DataRoot(data_dir(options.data_dir))
