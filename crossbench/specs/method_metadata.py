"""Who made a method, and where it is described: as authors declare it, and as records tell it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from crossbench.errors import CardError
from crossbench.specs.reader import Demand, check, from_mapping

_MOST_AUTHORS = 200
_LONGEST_NAME = 100
_LONGEST = 500
_URL = re.compile(r"https?://[^\s<>\"'`\\]+")
_SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_ARXIV = re.compile(r"(?i:arxiv)[:\s./a-z]*(\d{4}\.\d{4,5}(?:v\d+)?)|(\d{4}\.\d{4,5}(?:v\d+)?)$")
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s<>\"'`]+")


@dataclass(frozen=True, kw_only=True)
class MethodMetadata:
    """Who made a method, where it is described, and how it may be used.

    Attributes:
        authors: Names.
        paper: Its paper: text, with an arXiv number or a DOI where it has one.
        url: Its home page or repository.
        licence: The licence of its code, as an SPDX expression: ``MIT``.
    """

    authors: tuple[str, ...] = ()
    paper: str = ""
    url: str = ""
    licence: str = ""

    @classmethod
    def read(cls, mapping: Mapping[str, Any], *, where: str) -> MethodMetadata:
        """Metadata as an author declares it.

        Raises:
            CardError: Naming ``where``, if a key is unknown or a value is of the wrong form.
        """
        found = from_mapping(cls, dict(mapping), where=where)
        check(found, where=where)
        return found

    @classmethod
    def tolerant(cls, mapping: Any) -> MethodMetadata:
        """What of a stranger's mapping has the right form; all else is left out."""
        found = cls()
        for key in _KEYS if isinstance(mapping, Mapping) else ():
            with suppress(CardError, KeyError):
                read = cls.read({key: mapping[key]}, where="metadata")
                found = dataclasses.replace(found, **{key: getattr(read, key)})
        return found

    def demands(self) -> Iterator[Demand]:
        """What the strict reader holds of it, beside types."""
        authors = len(self.authors) <= _MOST_AUTHORS and all(
            _is_line(name, _LONGEST_NAME) and name for name in self.authors
        )
        yield "authors", authors, f"it must be up to {_MOST_AUTHORS} names"
        yield "paper", _is_line(self.paper), f"it must be a line of at most {_LONGEST} characters"
        url = not self.url or (_is_line(self.url) and _URL.fullmatch(self.url))
        yield "url", url, "it must begin with https:// or http://, and hold no spaces or quotes"
        plain = self.licence.replace("(", "").replace(")", "")
        licence = not plain or (_is_line(plain) and _SPDX.fullmatch(plain))
        yield (
            "licence",
            licence,
            "it must be an SPDX expression, such as 'MIT' or 'MIT OR Apache-2.0'",
        )

    @property
    def paper_url(self) -> str:
        """Address of the paper on arXiv or by its DOI; empty where ``paper`` names neither."""
        if found := _ARXIV.search(self.paper):
            return f"https://arxiv.org/abs/{found[1] or found[2]}"
        doi = _DOI.search(self.paper)
        return f"https://doi.org/{quote(doi[0].rstrip('.,;)'), safe='/().;:-_')}" if doi else ""


_KEYS = tuple(field.name for field in dataclasses.fields(MethodMetadata))


def _is_line(text: str, longest: int = _LONGEST) -> bool:
    """Whether a text is one printable line that a table can hold."""
    return len(text) <= longest and text.isprintable() and text == text.strip()
