"""Licences of submitted source: an SPDX expression and a text."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossbench.errors import BundleError, CardError
from crossbench.specs.method_metadata import MethodMetadata

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Stands in a manifest for a licence that has a text and no identifier.
SEE_TEXT = "see LICENSE"

_TEXTS = Path(__file__).parent / "licences"
_LONGEST = 2**20


class Licence(NamedTuple):
    """The terms under which source is given.

    Attributes:
        name: An SPDX expression, or ``see LICENSE``.
        text: The text.
    """

    name: str
    text: str


def choose_licence(
    name: str, file: Path | None, *, holders: Sequence[str], package: str = ""
) -> Licence:
    """The licence that an author names, with its text.

    Args:
        name: An SPDX expression; empty where the file says all.
        file: Holds the text; None takes a shipped one, or that of the package.
        holders: Who grants it.
        package: The installed package that the source is of, if it is of one.

    Raises:
        BundleError: If neither is given, the expression is none, or its text is not known.
    """
    if not name and file is None:
        msg = "a bundle has a licence: name one by --licence MIT, or its text by --licence-file"
        raise BundleError(msg)
    try:
        MethodMetadata.read({"licence": name}, where="--licence")
    except CardError as error:
        raise BundleError(str(error)) from error
    text = _read(file) if file is not None else _known(name, holders) or _packaged(package)
    if not text:
        known = ", ".join(sorted(each.stem for each in _TEXTS.glob("*.txt")))
        msg = f"the text of licence {name!r} does not ship (those of {known} do)"
        raise BundleError(f"{msg}; give it by --licence-file FILE")
    return Licence(name or SEE_TEXT, text)


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
        text = content.decode()
    except (OSError, ValueError) as error:
        raise BundleError(f"licence file {str(file)!r} cannot be read as text: {error}") from error
    if not text.strip() or len(content) > _LONGEST:
        what = "is empty" if not text.strip() else f"has more than {_LONGEST} bytes"
        raise BundleError(f"licence file {str(file)!r} {what}; name the licence's text")
    return text


def _known(name: str, holders: Sequence[str]) -> str:
    """A text that ships, by the holders of the copyright."""
    file = next((each for each in _TEXTS.glob("*.txt") if each.stem == name), None)
    return "" if file is None else file.read_text().replace("{holders}", ", ".join(holders))


def _packaged(package: str) -> str:
    """The texts of the licence that an installed package brings."""
    try:
        files = distribution(package).files or [] if package else []
    except PackageNotFoundError:
        return ""
    named = (each for each in files if Path(each.name).stem.upper() in ("LICENSE", "LICENCE"))
    places = (Path(str(each.locate())) for each in named)
    return "\n".join(_read(place) for place in places if place.is_file())
