"""Catalogue of named weights: where their files are, what they fit, and what made them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from crossbench.errors import CardError, RequestError, WeightsError, unknown_name
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
_PINNED = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.+!-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class PackageFile:
    """A file that an installed distribution holds.

    Attributes:
        package: ``NAME==VERSION``, as pip takes it.
        file: Its path as the distribution lists it, below the folder of installed packages.
    """

    package: str
    file: str

    @property
    def name(self) -> str:
        """The distribution's name."""
        return self.package.partition("==")[0]

    @property
    def version(self) -> str:
        """The distribution's version."""
        return self.package.partition("==")[2]


@dataclass(frozen=True, kw_only=True)
class KnownWeights:
    """A file of weights and the networks it fits.

    Attributes:
        name: What ``--init`` calls it; entries for other layers or backbones may share it.
        file: Its path in the repository, or on this machine where there is none; empty where
            it is in packages.
        url: Where it is to be downloaded by hand, where it is in no repository.
        layers: What it fits, as :func:`catalogue_forms` says it.
        repo: ``OWNER/NAME`` on Hugging Face.
        revision: Commit, tag or branch of the repository.
        packages: The installed file that it is, or those that give it when joined in this order.
        sha256: Of the file, where it is pinned.
        backbone: timm name of the network; empty where it fits whatever a method builds.
        title: What the weights are, in words.
        licence: SPDX identifier as whoever distributes the file states it, where they do.
        origin: Who made the weights, and where they were first published.
        origin_licence: The licence that the origin states, or ``not verified``.
        statistics: Whose channel statistics normalised the inputs, where that is known.
        trained_on: The data that they were fitted to, in words.
        may_have_seen: Cohorts whose groups may have been among that data.
    """

    name: str
    file: str = ""
    layers: tuple[str, ...] = ()
    url: str = ""
    repo: str = ""
    revision: str = ""
    packages: tuple[PackageFile, ...] = ()
    sha256: str = ""
    backbone: str = ""
    title: str = ""
    licence: str = ""
    origin: str = ""
    origin_licence: str = ""
    statistics: Statistics | None = None
    trained_on: str = ""
    may_have_seen: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The place of the file: ``hf:REPO/FILE@REV``, ``pip:NAME==VERSION/FILE``, URL or path."""
        if self.packages:
            return " + ".join(f"pip:{each.package}/{each.file}" for each in self.packages)
        if self.repo:
            return f"{HUB_PREFIX}{self.repo}/{self.file}@{self.revision}"
        return self.url or self.file


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


def catalogue_forms(method: Method) -> tuple[str, ...]:
    """What an entry's ``layers`` may call a method's networks, what suits them best first.

    Returns:
        The forms of the 2D layers whose weights they take, if any, and the method's own name, by
        which entries call weights of its 3D network.
    """
    from crossbench.nets.backbones import weight_forms  # timm: lists and downloads need none

    taken = weight_forms(method) if takes_image_weights(method) else ()
    return tuple(dict.fromkeys(map(base_name, (*taken, method.name))))


def find_known(name: str, method: Method, backbone: str) -> KnownWeights:
    """The weights of this name that fit a method's networks.

    Raises:
        WeightsError: If there are none.
    """
    if found := _suited(name, method, backbone):
        return found
    if fitting := _fitting(name, method):
        others = ", ".join(dict.fromkeys(each.backbone for each in fitting))
        msg = (
            f"no {name!r} weights are known for backbone {backbone!r} (there are some for "
            f"{others}); choose --backbone, or pass the path of a checkpoint"
        )
        raise WeightsError(msg)
    named = (each.layers for each in known_weights() if each.name == name)
    others = ", ".join(dict.fromkeys(layers for each in named for layers in each))
    msg = (
        f"no {name!r} weights are known for the layers of method {method.name!r} (there are some "
        f"for {others}); pass the path of a checkpoint that was trained with this method"
    )
    raise WeightsError(msg)


def _suited(name: str, method: Method, backbone: str) -> KnownWeights | None:
    """The weights of a name that suit a method's networks of a backbone best, if any do."""
    known = (each for each in _fitting(name, method) if each.backbone in {"", backbone})
    return next(known, None)


def _fitting(name: str, method: Method) -> list[KnownWeights]:
    """Weights of a name for a method's networks of any backbone, what suits them best first."""
    known = [each for each in known_weights() if each.name == name]
    return [each for form in catalogue_forms(method) for each in known if form in each.layers]


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


def catalogued(init: str, method: Method, backbone: str, sha256: str) -> KnownWeights | None:
    """The entry of weights, by name, place or hash.

    Args:
        init: What the weights were asked for by.
        method: Whose networks they have to fit.
        backbone: timm name of these networks.
        sha256: Of their file.
    """
    if found := _suited(init, method, backbone):
        return found
    for each in known_weights():
        place = f"{HUB_PREFIX}{each.repo}/{each.file}@"
        pinned = each.sha256 != "" and each.sha256 == sha256
        if pinned or (each.repo and init.startswith(place)):
            return each
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
    inside = all(_is_inside(part.file) for part in weights.packages)
    pinned = all(_PINNED.fullmatch(part.package) for part in weights.packages)
    checks = (
        ("name", weights.name and weights.name not in _RESERVED, "choose another name"),
        ("layers", weights.layers, "it must list the methods that the weights fit"),
        ("file", bool(weights.file) != bool(weights.packages), "give it, or packages instead"),
        ("repo", not (weights.repo and weights.packages), "give it, or packages instead"),
        ("url", not (weights.url and (weights.repo or weights.packages)), "give it, or these"),
        ("file", not weights.url or Path(weights.file).name == weights.file, "a name, beside url"),
        ("revision", weights.revision or not weights.repo, "a repo needs one"),
        ("packages", pinned, "each package must be NAME==VERSION"),
        ("packages", inside, "each file must be a path within the packages"),
        ("sha256", weights.sha256 or not weights.packages, "packages need one, of the whole"),
        ("sha256", _SHA256.fullmatch(weights.sha256 or "0" * 64), "it must be 64 hex digits"),
    )
    for key, holds, demand in checks:
        if not holds:
            value = getattr(weights, key)
            raise CardError(f"{file}: weights {weights.name!r}: {key!r} is {value!r}; {demand}")
    if weights.repo or weights.packages or weights.url:
        return weights
    return replace(weights, file=str(file.parent / Path(weights.file).expanduser()))


def _is_inside(file: str) -> bool:
    """Whether a path leads to a place below whatever folder it starts from."""
    path = PurePosixPath(file)
    return (
        not path.is_absolute() and ".." not in path.parts and "\\" not in file and bool(path.name)
    )
