"""Arguments that several commands share, so that they are called and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_folders(parser: Any) -> None:
    """Results folders to read, one or more."""
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="results folders, read together"
    )


def add_out(parser: Any) -> None:
    """The results folder to write."""
    parser.add_argument("--out", type=Path, default=Path("results"), help="results (results)")


def add_settings(parser: Any) -> None:
    """Overrides of a preset's settings."""
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, such as fit.epochs=5; repeatable",
    )


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
    """Where networks run."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
