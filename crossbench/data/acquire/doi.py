"""Resolve a DOI and a file's name to an address, by pooch."""

from __future__ import annotations

import re

import pooch
from pooch.downloaders import doi_to_repository

from crossbench.errors import FetchError, RequestError

_FORM = re.compile(r"doi:(10\.[^/]+/.+)/([^/]+)")


def resolve(url: str) -> tuple[str, dict[str, str]]:
    """Address and published digests of a file of figshare, Zenodo or a Dataverse.

    Args:
        url: ``doi:DOI/FILE``.

    Raises:
        RequestError: If it is not of that form.
        FetchError: If the DOI or the repository cannot be asked, or has no such file.
    """
    match = _FORM.fullmatch(url)
    if match is None:
        raise RequestError(f"{url!r} is not of the form doi:DOI/FILE")
    doi, name = match.groups()
    try:
        repository = doi_to_repository(doi)
        address = repository.download_url(name)
        registry = pooch.create(path=".", base_url="", registry={})
        repository.populate_registry(registry)
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        msg = f"{url}: cannot be resolved ({type(error).__name__}: {words}); get {name} by hand"
        raise FetchError(f"{msg} from https://doi.org/{doi}") from error
    algorithm, _, digest = registry.registry.get(name, "").rpartition(":")
    return address, {algorithm or "sha256": digest.lower()} if digest else {}
