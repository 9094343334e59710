"""``crossbench new-method``: a method to begin with, and its test."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import path
from crossbench.cli.output import EXIT_OK
from crossbench.errors import RequestError
from crossbench.errors.foreign import show
from crossbench.registry.claims import RESERVED
from crossbench.registry.entries import method_entries
from crossbench.specs.cards import KEBAB_CASE

if TYPE_CHECKING:
    import argparse

_TEMPLATES = Path(__file__).parent / "templates"
_WORDS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_LONGEST = 64


def add(commands: Any) -> None:
    """Add the command's parser."""
    new = commands.add_parser(
        "new-method",
        help="write a method to begin with, and its test",
        description="Write a file with a method that runs as it is, for you to change, and a test.",
    )
    new.set_defaults(command=_new)
    new.add_argument("name", metavar="NAME", help="name of the method, such as my-method")
    new.add_argument(
        "--kind",
        choices=("layers", "network"),
        default="layers",
        help="layers in place of a backbone's convolutions, or a whole network (layers)",
    )
    new.add_argument("--out", type=path, default=Path(), metavar="DIR", help="folder (here)")


def _new(options: argparse.Namespace) -> int:
    module = module_name(options.name)
    files = {name: options.out / name for name in (f"{module}.py", f"test_{module}.py")}
    for file in files.values():
        if file.exists():
            raise RequestError(f"{str(file)!r} exists; move it away, or choose another name")
    options.out.mkdir(parents=True, exist_ok=True)
    method, test = files.values()
    _write(method, options.kind, options.name)
    _write(test, f"{options.kind}_test", options.name)
    print(_next(method, test, options.name))
    return EXIT_OK


def module_name(name: str) -> str:
    """The name of the module of a new method.

    Raises:
        RequestError: If the name is not in kebab case, is taken, or makes no good module's name.
    """
    if not KEBAB_CASE.fullmatch(name) or not name[0].isalpha() or len(name) > _LONGEST:
        raise RequestError(_unfit(name))
    if name in RESERVED:
        raise RequestError(f"name {name!r} means something else to crossbench; choose another")
    if name in method_entries():
        raise RequestError(f"method {name!r} exists; choose another name")
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or find_spec(module) is not None:
        msg = f"{module}.py would hide what Python calls {module!r}; choose a longer name"
        raise RequestError(msg)
    return module


def _unfit(name: str) -> str:
    """Complaint about a name, with the nearest one that would do."""
    near = "-".join(_WORDS.findall(name)).lower().lstrip("0123456789-")[:_LONGEST].rstrip("-")
    msg = f"name {show(name, _LONGEST)} must be in kebab case, begin with a letter and have "
    msg += f"at most {_LONGEST} characters"
    return f"{msg}; try: crossbench new-method {near or 'my-method'}"


def _write(file: Path, template: str, name: str) -> None:
    module = name.replace("-", "_")
    text = Template((_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(
        name=name,
        module=module,
        file=f"{module}.py",
        test=f"test_{module}.py",
        Class="".join(word.capitalize() for word in name.split("-")),
    )
    with file.open("x", encoding="utf-8") as stream:
        stream.write(text)


def _next(method: Path, test: Path, name: str) -> str:
    return (
        f"{method}: a method that runs as it is; change it into yours\n"
        f"{test}: its test\n\n"
        f"pytest {test}\n"
        f"crossbench run --plugin {method} --method {name} --task nodule-malignancy-3d "
        "--preset smoke\n"
        f"crossbench check-method {method}"
    )
