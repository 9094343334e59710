"""Catalogue of named weights, and their download and verification.

Downloads are those of ``huggingface_hub``, into its cache and by its environment variables
(``HF_HOME``, ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``): one at a time, resumed where
the connection was cut, and put in place whole.
"""

from __future__ import annotations

import os
import re
import textwrap
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import CardError, RequestError, WeightsError, unknown_name
from crossbench.files.hashing import hash_file
from crossbench.nets.backbones import weight_forms
from crossbench.nets.declarations import takes_image_weights
from crossbench.registry.entries import WEIGHTS_GROUP, registered_files
from crossbench.specs import RANDOM, Statistics
from crossbench.specs.method_names import base_name
from crossbench.specs.reader import from_mapping
from crossbench.specs.toml import read_toml

if TYPE_CHECKING:
    from crossbench.methods import Method

HUB_PREFIX = "hf:"

_RESERVED = (RANDOM, "none")  # in views, the names of no weights

_SHIPPED = Path(__file__).with_name("known_weights.toml")
_HUB_FILE = re.compile(r"hf:([\w.-]+/[\w.-]+)/([^@\\]+)@([\w./-]+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class KnownWeights:
    """A file of weights and the layers it fits.

    Attributes:
        name: What ``--init`` calls it; entries for other layers may have the same name.
        file: Its path in the repository, or on this machine where there is none.
        layers: What it fits, as :func:`crossbench.nets.backbones.weight_forms` says it.
        repo: ``OWNER/NAME`` on Hugging Face.
        revision: Commit, tag or branch of the repository.
        sha256: Of the file, where it is pinned.
        backbone: timm name of the network.
        title: What the weights are, in words.
        licence: SPDX identifier, where it is known.
        statistics: Whose channel statistics normalised the inputs, where that is known.
    """

    name: str
    file: str
    layers: tuple[str, ...] = ()
    repo: str = ""
    revision: str = ""
    sha256: str = ""
    backbone: str = ""
    title: str = ""
    licence: str = ""
    statistics: Statistics | None = None

    @property
    def source(self) -> str:
        """The origin of the file: ``hf:REPO/FILE@REV``, or its path."""
        return f"{HUB_PREFIX}{self.repo}/{self.file}@{self.revision}" if self.repo else self.file


@dataclass(frozen=True, kw_only=True)
class _KnownFile:
    """The schema of a file of known weights."""

    weights: tuple[KnownWeights, ...]


# ---------------------------------------------------------------------------- what is known


def known_weights() -> tuple[KnownWeights, ...]:
    """Named weights: of ``$CROSSBENCH_WEIGHTS``, of crossbench, then of packages.

    A package registers a folder of files of weights as ``crossbench.weights``.

    Raises:
        CardError: If a file of weights is malformed.
    """
    own = os.environ.get("CROSSBENCH_WEIGHTS")
    files = [Path(own).expanduser()] if own else []
    return tuple(each for file in (*files, _SHIPPED, *_registered()) for each in _read(file))


@cache
def _registered() -> tuple[Path, ...]:
    return registered_files(WEIGHTS_GROUP)


def find_known(name: str, method: Method) -> KnownWeights:
    """The weights of this name that fit a method's 2D layers.

    Raises:
        WeightsError: If there are none.
    """
    named = [each for each in known_weights() if each.name == name]
    for form in weight_forms(method):
        for each in named:
            if base_name(form) in each.layers:
                return each
    others = ", ".join(dict.fromkeys(layers for each in named for layers in each.layers))
    msg = (
        f"no {name!r} weights are known for the layers of method {method.name!r} (there are some "
        f"for {others}); pass the path of a checkpoint that was trained with this method"
    )
    raise WeightsError(msg)


def named_weights(name: str) -> tuple[KnownWeights, ...]:
    """Weights by name, or the one file of an ``hf:REPO/FILE@REV``.

    Raises:
        RequestError: If nothing has this name, or it is no ``hf:REPO/FILE@REV``.
    """
    if name.startswith(HUB_PREFIX):
        return (hub_file(name),)
    named = tuple(each for each in known_weights() if each.name == name)
    if not named:
        raise unknown_name("weights", name, {each.name for each in known_weights()})
    return named


def hub_file(text: str) -> KnownWeights:
    """The file that ``hf:REPO/FILE@REV`` stands for.

    Raises:
        RequestError: If it is not of that form.
    """
    match = _HUB_FILE.fullmatch(text)
    if match is None or ".." in text.partition("@")[0].split("/"):
        msg = (
            f"{text!r} is not of the form hf:OWNER/NAME/FILE@REVISION, such as "
            "hf:timm/resnet18.tv_in1k/model.safetensors@main"
        )
        raise RequestError(msg)
    repo, file, revision = match.groups()
    return KnownWeights(name=text, repo=repo, file=file, revision=revision)


def catalogued_statistics(init: str, method: Method, sha256: str) -> Statistics | None:
    """Channel statistics that the catalogue lists for weights, by name, place or hash.

    Args:
        init: What the weights were asked for by.
        method: Whose layers they have to fit.
        sha256: Of their file.
    """
    taken = weight_forms(method) if takes_image_weights(method) else (method.name,)
    forms = {base_name(form) for form in taken}
    for each in known_weights():
        place = f"{HUB_PREFIX}{each.repo}/{each.file}@"
        named = each.name == init and not forms.isdisjoint(each.layers)
        pinned = each.sha256 != "" and each.sha256 == sha256
        if named or pinned or (each.repo and init.startswith(place)):
            return each.statistics
    return None


def unreserved(name: str) -> str:
    """The name of a file in views, marked where it collides with a reserved name."""
    taken = name in _RESERVED or name in {each.name for each in known_weights()}
    return f"{name} (file)" if taken else name


@cache
def _read(file: Path) -> tuple[KnownWeights, ...]:
    entries = from_mapping(_KnownFile, read_toml(file), where=str(file)).weights
    return tuple(_checked(each, file) for each in entries)


def _checked(weights: KnownWeights, file: Path) -> KnownWeights:
    checks = (
        ("name", weights.name and weights.name not in _RESERVED, "choose another name"),
        ("layers", weights.layers, "it must list the methods that the weights fit"),
        ("revision", weights.revision or not weights.repo, "a repo needs one"),
        ("sha256", _SHA256.fullmatch(weights.sha256 or "0" * 64), "it must be 64 hex digits"),
    )
    for key, holds, demand in checks:
        if not holds:
            value = getattr(weights, key)
            raise CardError(f"{file}: weights {weights.name!r}: {key!r} is {value!r}; {demand}")
    if weights.repo:
        return weights
    return replace(weights, file=str(file.parent / Path(weights.file).expanduser()))


# ------------------------------------------------------------------------- how it gets here


def present(weights: KnownWeights) -> Path | None:
    """The path of the file on this machine; None where it is absent."""
    if not weights.repo:
        return Path(weights.file) if Path(weights.file).is_file() else None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(weights.repo, weights.file, revision=weights.revision)
    return Path(found) if isinstance(found, str) else None


def fetch(weights: KnownWeights) -> Path:
    """The file, downloaded if it is not here, and verified where its hash is pinned.

    Raises:
        WeightsError: If it cannot be had, or is not what was pinned.
    """
    path = present(weights) or _download(weights)
    if weights.sha256:
        found = hash_once(path)
        if found != weights.sha256:
            msg = (
                f"{path.resolve()} ({weights.source}) has SHA-256 {found}, but {weights.sha256} "
                "is pinned; delete the file and fetch it again"
            )
            raise WeightsError(msg)
    return path


def hash_once(path: Path) -> str:
    """SHA-256 of a file, computed again only when it has changed."""
    state = path.stat()
    return _hash(path, state.st_dev, state.st_ino, state.st_size, state.st_ctime_ns)


@cache
def _hash(path: Path, *_state: int) -> str:
    return hash_file(path)


def _download(weights: KnownWeights) -> Path:
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
