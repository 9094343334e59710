"""``crossbench weights``: what there is to start from, and what a checkpoint would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from crossbench.cli.arguments import add_plugins, path
from crossbench.cli.names import chosen_methods
from crossbench.cli.output import EXIT_OK, aside, print_json, say
from crossbench.specs import Statistics

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from crossbench.methods import Method
    from crossbench.nets.weights.catalogue import KnownWeights
    from crossbench.nets.weights.checkpoint import Checkpoint
    from crossbench.nets.weights.inspection import Carry

_DEFAULT_BACKBONE = "resnet18"

# In words, the states of keys that keep a checkpoint from fitting.
_FAULTS = {
    "missing": "missing",
    "unexpected": "unexpected",
    "shape": "of another shape",
    "dtype": "of another kind of numbers",
}


def add(commands: Any) -> None:
    """Add the command's parser, which has one for each action."""
    weights = commands.add_parser(
        "weights",
        help="list, fetch or look into weights to start from",
        description="What --init of crossbench run can name, and what a checkpoint holds.",
    )
    actions = weights.add_subparsers(title="actions", required=True, metavar="ACTION")
    _add_list(actions)
    _add_fetch(actions)
    _add_inspect(actions)
    _add_convert(actions)


def _add_list(actions: Any) -> None:
    listing = actions.add_parser("list", help="list the weights that have a name")
    listing.set_defaults(command=_list)
    listing.add_argument("--json", action="store_true", help="print JSON")


def _add_fetch(actions: Any) -> None:
    fetch = actions.add_parser(
        "fetch",
        help="download weights, verify them and print their paths",
        description="Download weights that are not here yet, verify them and print their paths. "
        "Packages are not installed: the command that does it is said.",
    )
    fetch.set_defaults(command=_fetch)
    fetch.add_argument("name", metavar="NAME", help="in1k, rin, ... or hf:REPO/FILE@REV")
    fetch.add_argument("--method", metavar="M", help="only what serves this method (all)")
    fetch.add_argument(
        "--backbone",
        default=_DEFAULT_BACKBONE,
        help=f"in this timm network, with --method ({_DEFAULT_BACKBONE})",
    )


def _add_inspect(actions: Any) -> None:
    inspect = actions.add_parser(
        "inspect", help="show what a checkpoint holds and which methods it fits in 2D and in 3D"
    )
    inspect.set_defaults(command=_inspect)
    inspect.add_argument(
        "file", metavar="FILE|NAME", help="a .safetensors or .pth file, or a name of weights list"
    )
    inspect.add_argument("--method", default="all", metavar="X[,Y]", help="methods to try (all)")
    add_plugins(inspect)
    inspect.add_argument(
        "--backbone",
        help=f"timm network to try (what the checkpoint says, else {_DEFAULT_BACKBONE})",
    )
    inspect.add_argument("--keys", action="store_true", help="show what becomes of every key")
    inspect.add_argument("--json", action="store_true", help="print JSON")


def _add_convert(actions: Any) -> None:
    convert = actions.add_parser(
        "convert",
        help="write a foreign checkpoint as one of our own, which says what it is",
        description="Write a checkpoint of a known key scheme as .safetensors with metadata: what "
        "network it fits, the SHA-256 of its origin and, where said, its channel statistics.",
    )
    convert.set_defaults(command=_convert)
    convert.add_argument("file", type=path, metavar="FILE", help="a .safetensors or .pth file")
    convert.add_argument(
        "--to", required=True, type=path, metavar="NAME|FILE", help="NAME.safetensors is written"
    )
    convert.add_argument("--method", required=True, help="whose networks it fits")
    add_plugins(convert)
    convert.add_argument(
        "--backbone",
        default=_DEFAULT_BACKBONE,
        help=f"the timm network that it fits ({_DEFAULT_BACKBONE})",
    )
    convert.add_argument(
        "--statistics",
        choices=get_args(Statistics),
        help="whose channel statistics normalised the inputs (not known)",
    )


# --------------------------------------------------------------------------- list and fetch


def _list(options: argparse.Namespace) -> int:
    from crossbench.cli.columns import table
    from crossbench.nets.weights.catalogue import known_weights
    from crossbench.nets.weights.retrieval import present
    from crossbench.specs.reader import to_mapping

    rows = []
    for weights in known_weights():
        here = [str(path) for path in present(weights)]
        rows.append(to_mapping(weights) | {"source": weights.source, "here": here})
    if options.json:
        print_json(rows)
    else:
        print(table([_listed(row) for row in rows]))
    return EXIT_OK


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "backbone": row["backbone"] or None,
        "layers": ", ".join(row["layers"]),
        "source": row["source"],
        "here": "yes" if row["here"] else "no",
        "licence": "; origin: ".join(filter(None, (row["licence"], row["origin_licence"]))) or None,
        "may have seen": ", ".join(row["may_have_seen"]) or None,
    }


def _fetch(options: argparse.Namespace) -> int:
    from crossbench.nets.weights.catalogue import HUB_PREFIX, find_known, named_weights
    from crossbench.nets.weights.retrieval import fetch
    from crossbench.registry.methods import load_method

    wanted = named_weights(options.name)
    if options.method and not options.name.startswith(HUB_PREFIX):
        method = load_method(options.method)
        wanted = (find_known(options.name, method, options.backbone),)
    for weights in wanted:
        say([weights.source])
        print(fetch(weights), flush=True)
    return EXIT_OK


# ---------------------------------------------------------------------- convert and inspect


def _convert(options: argparse.Namespace) -> int:
    from pathlib import Path

    from crossbench.errors import RequestError
    from crossbench.nets.weights.checkpoint import read_checkpoint
    from crossbench.nets.weights.conversion import convert

    methods = chosen_methods(options)
    if len(methods) != 1:
        raise RequestError(f"--method {options.method!r} is {len(methods)} methods; name one")
    checkpoint = read_checkpoint(options.file)
    with aside():
        made = convert(checkpoint, methods[0], options.backbone, options.statistics)
    name = str(options.to).removesuffix(".safetensors")
    target = Path(f"{name}.safetensors")
    if target.exists():
        raise RequestError(f"{target} is there already; remove it, or choose another --to")
    made.write(target)
    print(target)
    return EXIT_OK


def _inspect(options: argparse.Namespace) -> int:
    from crossbench.nets.weights.checkpoint import read_checkpoint
    from crossbench.nets.weights.inspection import carry
    from crossbench.nets.weights.retrieval import fetch

    methods, backbone = chosen_methods(options), options.backbone
    named = _named(options.file, methods, backbone)
    if named is not None:
        methods, backbone = _fitting(named, methods), backbone or named.backbone
    checkpoint = read_checkpoint(fetch(named) if named is not None else path(options.file))
    said = checkpoint.about.backbone if checkpoint.about is not None else _DEFAULT_BACKBONE
    backbone = backbone or said
    with aside():
        carries = [each for method in methods for each in carry(checkpoint, method, backbone)]
    content = _content(checkpoint)
    if options.json:
        fits = [_as_json(each, keys=options.keys) for each in carries]
        print_json(content | {"tried_backbone": backbone, "networks": fits})
    else:
        print("\n".join(_in_words(content, checkpoint)))
        print(_verdicts(carries, backbone))
        if options.keys:
            print(_key_tables(carries))
    return EXIT_OK


def _named(name: str, methods: Sequence[Method], backbone: str | None) -> KnownWeights | None:
    """The entry of the catalogue that a name stands for with these methods; None for a file.

    Raises:
        RequestError: If it stands for several files, of which methods and backbone leave more than
            one, or none.
    """
    from crossbench.errors import RequestError
    from crossbench.nets.weights.catalogue import known_weights

    named = [each for each in known_weights() if each.name == name]
    if not named:
        return None
    left = [
        each for each in named if _fitting(each, methods) and backbone in {None, "", each.backbone}
    ]
    if len(left) != 1:
        there = ", ".join(f"{each.backbone} ({' '.join(each.layers)})" for each in named)
        msg = f"{name!r} stands for {len(left)} files with this --method and --backbone"
        raise RequestError(f"{msg}; there are {there}: name them so that one is left")
    return left[0]


def _fitting(weights: KnownWeights, methods: Sequence[Method]) -> tuple[Method, ...]:
    """The methods that an entry of the catalogue is for."""
    from crossbench.nets.weights.catalogue import catalogue_forms

    return tuple(each for each in methods if {*catalogue_forms(each)} & {*weights.layers})


def _content(checkpoint: Checkpoint) -> dict[str, Any]:
    from crossbench.specs.reader import to_mapping

    tensors = checkpoint.tensors.values()
    return {
        "file": str(checkpoint.path),
        "sha256": checkpoint.sha256,
        "tensors": len(tensors),
        "values": sum(tensor.numel() for tensor in tensors),
        "dtypes": sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors}),
        "left_out": list(checkpoint.left_out),
        "about": None if checkpoint.about is None else to_mapping(checkpoint.about),
    }


def _in_words(content: dict[str, Any], checkpoint: Checkpoint) -> list[str]:
    from crossbench.nets.weights.stored import few

    dtypes = " and ".join(content["dtypes"])
    lines = [
        f"{content['file']}: {content['tensors']} tensors, {content['values']:,} values, {dtypes}",
        f"SHA-256 {content['sha256']}",
    ]
    about = checkpoint.about
    if checkpoint.scheme:
        lines.append(f"keys of {checkpoint.scheme}, renamed to timm's")
    if checkpoint.left_out:
        count, first = len(checkpoint.left_out), few(checkpoint.left_out)
        lines.append(f"leaves out {count} tensors of the file's other parts ({first})")
    if about is None:
        return [*lines, "says nothing of itself"]
    lines.append(
        f"{about.dims}D {about.backbone} of {about.method} layers, {about.num_classes} classes"
    )
    if about.recipe:
        lines.append(f"recipe {about.recipe}")
    if about.statistics:
        lines.append(f"inputs normalised by {about.statistics} statistics")
    for each in about.seen:
        count = each.count or len(each.codes)
        lines.append(f"has seen {count} {each.unit}s of {each.file}")
    return lines


def _verdicts(carries: list[Carry], backbone: str) -> str:
    from crossbench.cli.columns import table

    cells = {(each.method, each.kind): _verdict(each) for each in carries}
    names = dict.fromkeys(each.method for each in carries)
    kinds = sorted({each.kind for each in carries})
    rows = [
        {"name": name} | {f"{kind}s": cells.get((name, kind), "not applicable") for kind in kinds}
        for name in names
    ]
    reasons = [f"{each.method} for {each.kind}s: {each.misfit}" for each in carries if each.misfit]
    shown = reasons if len(names) == 1 else []
    return "\n".join(["", f"in {backbone}:", table(rows), *shown])


def _verdict(carry: Carry) -> str:
    counts = carry.counts
    if carry.misfit and not counts.keys() & set(_FAULTS):
        return f"no: {carry.misfit}"
    words = (_FAULTS.get(state, state) for state in counts)
    whether = "no" if carry.misfit else "converted" if carry.converted else "fits"
    numbers = (f"{count} {word}" for count, word in zip(counts.values(), words, strict=True))
    return f"{whether}: {', '.join(numbers)}"


def _key_tables(carries: list[Carry]) -> str:
    from crossbench.cli.columns import table

    parts = []
    for each in carries:
        rows = [
            {"name": key.name, "becomes": key.state, "made of": ", ".join(key.made_of) or None}
            for key in each.keys
        ]
        parts += [f"\n{each.method} for {each.kind}s:", table(rows)]
    return "\n".join(parts)


def _as_json(carry: Carry, *, keys: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "method": carry.method,
        "kind": carry.kind,
        "fits": not carry.misfit,
        "converted": carry.converted,
        "misfit": carry.misfit or None,
        "counts": carry.counts,
    }
    if keys:
        row["keys"] = [
            {"name": key.name, "state": key.state, "made_of": list(key.made_of)}
            for key in carry.keys
        ]
    return row
