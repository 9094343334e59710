"""``crossbench verify``: some of a bundle's runs, made again from its own source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import add_data_dir, add_device, matching, path
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, print_json, say
from crossbench.errors import RequestError
from crossbench.errors.foreign import clean

if TYPE_CHECKING:
    import argparse

    from crossbench.submissions.verification import Prospect, Verified


def add(commands: Any) -> None:
    """Add the command's parser."""
    verify = commands.add_parser(
        "verify",
        help="make some of a bundle's runs again, and compare",
        description="Make some runs of a bundle again from its own source, each in a process of "
        "its own, and compare their predictions with the recorded ones. This runs a stranger's "
        "code: read it first, and say --trust; without, what would be run is shown. Exits with 0 "
        "where all are confirmed, 1 where some are not.",
    )
    verify.set_defaults(command=_verify)
    verify.add_argument("bundle", type=path, metavar="BUNDLE", help="a bundle (.zip)")
    verify.add_argument("--sample", type=int, default=3, metavar="K", help="runs to make (3)")
    verify.add_argument("--seed", type=int, help="draws them (another one each time)")
    verify.add_argument("--trust", action="store_true", help="run the code of the bundle")
    verify.add_argument(
        "--init",
        action="append",
        default=[],
        metavar="FILE",
        help="weights of the author's that runs start from, found by their hash; repeatable",
    )
    verify.add_argument("--json", action="store_true", help="the comparison as JSON")
    add_data_dir(verify)
    add_device(verify)


def _verify(options: argparse.Namespace) -> int:
    import secrets

    from crossbench.submissions.verification import VerifyRequest, prospect, verify

    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    request = VerifyRequest(**matching(options, VerifyRequest) | {"seed": seed})
    if not options.trust:
        raise RequestError(_warning(prospect(options.bundle, request), seed))
    done = verify(options.bundle, request, lambda run: say([f"making again {run}"]))
    if options.json:
        print_json(_as_json(done, seed))
    else:
        print("\n".join([*(clean(str(rerun)) for rerun in done.reruns), "", done.quotation(seed)]))
    return EXIT_OK if done.ok else EXIT_FAILED


def _warning(found: Prospect, seed: int) -> str:
    """Warning of what would be run, with the option that has it run."""
    authors, method = ", ".join(found.manifest.authors), found.manifest.method
    files = "\n".join(f"  source/{place}" for place in sorted(method.sources.values()))
    runs = "\n".join(f"  {clean(run)}" for run in found.runs)
    return (
        f"verify runs code of {authors}, which can do whatever you can. It is\n{files}\n"
        f"and would make {len(found.runs)} of {found.finished} finished runs again:\n{runs}\n"
        f"Read it (unzip it), best run it in a container, and add --trust --seed {seed}"
    )


def _as_json(done: Verified, seed: int) -> dict[str, Any]:
    from crossbench.specs.reader import to_mapping

    return {
        "confirmed": done.ok,
        "method": done.prospect.manifest.method.name,
        "bundle": done.prospect.manifest.digest,
        "seed": seed,
        "finished": done.prospect.finished,
        "built_in": done.built_in,
        "runs": [to_mapping(rerun) for rerun in done.reruns],
        "quotation": done.quotation(seed),
    }
