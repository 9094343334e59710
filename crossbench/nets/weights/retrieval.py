"""The files of known weights: found, downloaded, joined and verified.

A file of the Hugging Face Hub is downloaded by ``huggingface_hub``, into its cache and by its
environment variables (``HF_HOME``, ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``): one at a
time, resumed where the connection was cut, and put in place whole. Files of an installed package
are read where they lie; the package is never imported, nor installed. A file that is known by its
URL is downloaded by the user.
"""

from __future__ import annotations

import shutil
import textwrap
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import WeightsError
from crossbench.files.cache import entry, store
from crossbench.files.hashing import hash_file
from crossbench.files.paths import cache_dir

if TYPE_CHECKING:
    from crossbench.nets.weights.catalogue import KnownWeights, PackageFile


def present(weights: KnownWeights) -> tuple[Path, ...]:
    """The file on this machine, or the parts it is joined of; empty where any is absent."""
    if weights.packages:
        parts = [path for each in weights.packages if (path := _packed(each)[0])]
        return tuple(parts) if len(parts) == len(weights.packages) else ()
    if not weights.repo:
        path = _by_hand(weights) if weights.url else Path(weights.file)
        return (path,) if path.is_file() else ()
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(weights.repo, weights.file, revision=weights.revision)
    return (Path(found),) if isinstance(found, str) else ()


def _by_hand(weights: KnownWeights) -> Path:
    """Where a file is looked for that crossbench does not download."""
    return cache_dir() / "weights" / weights.name / weights.file


def fetch(weights: KnownWeights) -> Path:
    """The file, downloaded or joined if it is not here, and verified where its hash is pinned.

    Raises:
        WeightsError: If it cannot be had, or is not what was pinned.
    """
    path, *more = present(weights) or (_download(weights),)
    if more:
        return _joined(weights, (path, *more))
    _verify(weights, path, hash_once(path) if weights.sha256 else "")
    return path


def hash_once(path: Path) -> str:
    """SHA-256 of a file, computed again only when it has changed."""
    state = path.stat()
    return _hash(path, state.st_dev, state.st_ino, state.st_size, state.st_ctime_ns)


@cache
def _hash(path: Path, *_state: int) -> str:
    return hash_file(path)


def _verify(weights: KnownWeights, path: Path, found: str) -> None:
    if found == weights.sha256:
        return
    again = "delete the file and fetch it again"
    if weights.packages:
        packages = " ".join(part.package for part in weights.packages)
        again = f"pip install --force-reinstall {packages}"
    msg = (
        f"{path.resolve()} ({weights.source}) has SHA-256 {found}, but {weights.sha256} is "
        f"pinned; {again}"
    )
    raise WeightsError(msg)


def _download(weights: KnownWeights) -> Path:
    if weights.packages:
        raise WeightsError(_not_installed(weights))
    if weights.url:
        msg = f"weights {weights.name!r} are not here, and crossbench does not fetch {weights.url}"
        raise WeightsError(f"{msg}; download it to {_by_hand(weights)}, or pass its path as init")
    if not weights.repo:
        msg = f"no weights {weights.name!r} at {weights.file!r}; correct the file's path"
        raise WeightsError(msg)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(weights.repo, weights.file, revision=weights.revision))
    except Exception as error:
        cause = error.__cause__ or error  # what failed, where the hub's words are general
        reason = textwrap.shorten(f"{type(cause).__name__}: {cause}", 240)
        msg = (
            f"{weights.file} of {weights.repo} at {weights.revision} cannot be fetched from "
            f"Hugging Face ({reason}); download it where you can and pass its path as init"
        )
        raise WeightsError(msg) from error


# ------------------------------------------------------------------- files of installed packages


def _packed(part: PackageFile) -> tuple[Path | None, str]:
    """A file that an installed distribution lists as its own, or what is wrong instead."""
    try:
        found = metadata.distribution(part.name)
    except metadata.PackageNotFoundError:
        return None, "not installed"
    if found.version != part.version:
        return None, f"{found.version} is installed"
    path = Path(str(found.locate_file(part.file)))
    if not path.is_file() or all(str(each) != part.file for each in found.files or ()):
        return None, f"lacks {part.file}, --force-reinstall it"
    return path, ""


def _not_installed(weights: KnownWeights) -> str:
    """What keeps packages from serving weights, with the command that mends it."""
    faults = {part.package: fault for part in weights.packages if (fault := _packed(part)[1])}
    absent = ", ".join(f"{package} ({fault})" for package, fault in faults.items())
    return (
        f"weights {weights.name!r} are in packages that are not here: {absent}; "
        f"pip install {' '.join(faults)}"
    )


def _joined(weights: KnownWeights, parts: tuple[Path, ...]) -> Path:
    """The parts in one file of the cache, where they are joined once."""
    file = entry(cache_dir() / "weights", weights.sha256, ".parts")
    if file.is_file() and hash_once(file) == weights.sha256:
        return file

    def join(draft: Path) -> None:
        with draft.open("wb") as whole:
            for part in parts:
                with part.open("rb") as stream:
                    shutil.copyfileobj(stream, whole)
        _verify(weights, parts[0], hash_file(draft))

    try:
        store(file, join)
    except OSError as error:
        msg = f"the {len(parts)} parts of weights {weights.name!r} cannot be joined ({error})"
        raise WeightsError(
            f"{msg}; make room, or set CROSSBENCH_CACHE to another folder"
        ) from error
    return file
