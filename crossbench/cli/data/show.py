"""``crossbench data show``: a picture of a task's samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, path
from crossbench.cli.output import EXIT_OK

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    show = commands.add_parser(
        "show",
        help="draw samples of each class, with histograms",
        description="Draw samples of each class and a histogram of their intensities as PNG; of "
        "volumes the middle planes across each axis.",
    )
    show.set_defaults(command=_show)
    show.add_argument("task", metavar="TASK", help="a task's name or a card file")
    show.add_argument("--out", type=path, required=True, metavar="FILE", help="a .png file")
    show.add_argument("--per-class", type=int, default=8, metavar="N", help="samples a class (8)")
    add_data_dir(show)


def _show(options: argparse.Namespace) -> int:
    from crossbench.data.montage import montage
    from crossbench.data.sources import open_task
    from crossbench.errors import RequestError
    from crossbench.files.atomic import place
    from crossbench.files.paths import cache_dir, data_dir
    from crossbench.registry.tasks import find_task

    if options.out.suffix.lower() != ".png":
        raise RequestError(f"--out {str(options.out)!r}: a PNG picture is written; call it .png")
    if not 1 <= options.per_class <= 100:
        raise RequestError(f"--per-class {options.per_class}: draw from 1 to 100 samples")
    card = find_task(options.task)
    folder = data_dir(options.data_dir)
    dataset = open_task(card, data="real", data_dir=folder, cache_dir=cache_dir())
    picture = montage(card, dataset, per_class=options.per_class)
    place(options.out, picture)
    print(options.out)
    return EXIT_OK
