"""``crossbench predict``: a run's fitted network on new samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_device, add_plugins, path
from crossbench.cli.output import EXIT_OK, aside, say, tracked

if TYPE_CHECKING:
    import argparse


def add(commands: Any) -> None:
    """Add the command's parser."""
    predict = commands.add_parser(
        "predict",
        help="apply a run's fitted network to new samples",
        description="Apply the network of a run that was made with --save-weights to new samples, "
        "under the very transform that its test samples went through. Prints a row a sample: "
        "file, sample, predicted class, and the probability of each class.",
    )
    predict.set_defaults(command=_predict, watched=True)
    predict.add_argument(
        "--run", type=path, required=True, metavar="RECORD.json", help="the run's record"
    )
    predict.add_argument(
        "files",
        type=path,
        nargs="+",
        metavar="FILE",
        help=".npz (images), .npy (one sample, or a stack of them), pictures, NIfTI volumes, "
        "or DICOM files or folders of one series, "
        "in the units and with the shape of the run's own samples",
    )
    predict.add_argument("--out", type=path, metavar="FILE.csv", help="write there, not to stdout")
    add_device(predict)
    add_plugins(predict)


def _predict(options: argparse.Namespace) -> int:
    from crossbench.environment.arithmetic import find_device
    from crossbench.files.atomic import place
    from crossbench.runs.prediction import load_predictor, to_csv

    with aside():
        predictor = load_predictor(
            options.run, device=find_device(options.device), plugins=options.plugins
        )
        say([f"note: {why}" for why in predictor.warnings])
        predicted = [predictor.predict(file) for file in tracked(options.files, "predicting")]
    text = to_csv(predictor.details.classes, predicted)
    if options.out is None:
        print(text, end="")
        return EXIT_OK
    place(options.out, text.encode())
    count = sum(len(each.probabilities) for each in predicted)
    say([f"{count} samples of {len(predicted)} files in {options.out}"])
    return EXIT_OK
