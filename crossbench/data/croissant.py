"""Data cards as Croissant JSON-LD, with the vocabulary of responsible AI.

Source:
    Akhtar et al., "Croissant: A Metadata Format for ML-Ready Datasets", NeurIPS 2024;
    MLCommons, Croissant 1.0 and Croissant RAI 1.0.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import structs

from crossbench.errors import CardError, RequestError
from crossbench.specs import EmbeddedSource, MedmnistSource
from crossbench.specs.origins import OriginFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.specs import TaskCard

#: What stands for a digest that nobody has published, by the convention of MLCommons' own tools.
UNPUBLISHED = "https://github.com/mlcommons/croissant/issues/80"

_SPDX = re.compile(r"[A-Za-z0-9]+(?:[-.][A-Za-z0-9]+)*")
_TYPES = {".npz": "application/zip", ".zip": "application/zip", ".tar": "application/x-tar"}
_BIAS = re.compile(
    r"leak|straddl|duplicat|imbalanc|same (?:scan|patient|video)|shared frames|split|bias|mixes",
    re.IGNORECASE,
)
_PARTS = ("train", "val", "test")


def croissant(card: TaskCard, *, digests: dict[str, str] | None = None) -> dict[str, Any]:
    """A task's card as Croissant JSON-LD, validated.

    Known issues that say how samples are not independent or not representative are biases
    (``rai:dataBiases``), the others limitations (``rai:dataLimitations``).

    Args:
        card: The card.
        digests: Digests of the data file by algorithm, where it is at hand and the card states
            none.

    Raises:
        RequestError: If mlcroissant is not installed.
        CardError: If the card cannot be said in Croissant.
    """
    try:
        import mlcroissant as mlc
    except ImportError as error:
        msg = "a Croissant card needs mlcroissant, not installed; pip install 'crossbench[data]'"
        raise RequestError(msg) from error
    biases = [issue for issue in card.known_issues if _BIAS.search(issue)]
    limits = [issue for issue in card.known_issues if issue not in biases]
    notes = [note for origin in card.origins for note in origin.notes]
    try:
        metadata = mlc.Metadata(
            name=card.name,
            description=_description(card),
            url=card.homepage or _address(card),
            license=[_licence(card.licence)],
            cite_as=card.citation,
            version=f"{card.version}.0.0",
            conforms_to=[f"http://mlcommons.org/croissant/{each}" for each in ("1.0", "RAI/1.0")],
            keywords=[card.modality, *card.classes],
            distribution=_files(mlc, card, digests or {}),
            record_sets=[_classes(mlc, card), *_records(mlc, card)],
            data_biases=biases or None,
            data_limitations=[*limits, *dict.fromkeys(notes)] or None,
            data_use_cases=[f"Classification of {card.modality} into {', '.join(card.classes)}."],
            data_preprocessing_protocol=_preprocessing(card) or None,
            personal_sensitive_information=_persons(card),
        )
    except mlc.ValidationError as error:
        raise CardError(f"card {card.name!r} cannot be said in Croissant: {error}") from error
    found: dict[str, Any] = json.loads(json.dumps(metadata.to_json(), default=str))
    return found


# ---------------------------------------------------------------------------- in words


def _description(card: TaskCard) -> str:
    counts = [f"{number:,} ({origin})" for origin, number in card.samples.items()]
    samples = f" Samples: {', '.join(counts)}." if counts else ""
    split = f" Official split: {card.official_split}." if card.official_split else ""
    group = f" Groups that must not straddle a split: {card.group}." if card.group else ""
    limits = f" {card.restrictions}" if card.restrictions else ""
    what = f"{card.title}: {card.modality}, {len(card.classes)} classes."
    return f"{what}{samples}{split}{group}{limits}"


def _licence(licence: str) -> str:
    """The licence's address where it is one of SPDX's, else the publisher's words."""
    known = _SPDX.fullmatch(licence) and ("-" in licence or licence == "MIT")
    return f"https://spdx.org/licenses/{licence}.html" if known else licence


def _address(card: TaskCard) -> str:
    urls = (file.url for origin in card.origins for file in origin.files)
    return next(urls, f"urn:crossbench:{card.name}")


def _preprocessing(card: TaskCard) -> list[str]:
    words = []
    if card.shape is not None:
        words.append(f"Stored as {'x'.join(map(str, card.shape))}, {card.channels or 1} channels.")
    if card.intensity is not None:
        words.append(f"Stored values lie in {card.intensity[0]:g} to {card.intensity[1]:g}.")
    words += [
        f"Origin {each.name}: made by importer {each.importer}"
        + "".join(f", {name} = {value}" for name, value in each.options.items())
        + "."
        for each in card.origins
        if each.importer
    ]
    return words


def _persons(card: TaskCard) -> list[str]:
    group = "no identifiers of persons are needed" if card.group is None else f"one {card.group}"
    if card.group is None:
        return [f"Medical images without names or dates of birth; {group}."]
    return [f"Medical images; a code tells which samples are of {group}, without names."]


# ------------------------------------------------------------------------------- files


def _files(mlc: Any, card: TaskCard, digests: dict[str, str]) -> list[Any]:
    """The data file, and what it can be made of."""
    fetched = [(origin, file) for origin in card.origins for file in origin.files]
    alone = (file for origin, file in fetched if not origin.importer and len(origin.files) == 1)
    whole = next(alone, None)
    data = whole or OriginFile(url=card.source.file, file=card.source.file)
    data = structs.replace(data, checksum=data.checksum or card.checksum or digests)
    found = [_file_object(mlc, "data", card.source.file, data)]
    for origin, file in fetched:
        if file is not whole:
            name = file.file.rpartition("/")[2]
            found.append(_file_object(mlc, f"{origin.name}/{name}", name, file))
    return found


def _file_object(mlc: Any, place: str, name: str, file: OriginFile) -> Any:
    digests = {key: file.checksum.get(key) for key in ("md5", "sha256")}
    if not any(digests.values()):
        digests["sha256"] = UNPUBLISHED
    suffix = f".{name.rpartition('.')[2]}".lower()
    return mlc.FileObject(
        id=place,
        name=name,
        content_url=file.url,
        content_size=f"{file.bytes} B" if file.bytes else None,
        encoding_formats=[_TYPES.get(suffix, "application/octet-stream")],
        **digests,
    )


def _keys(card: TaskCard) -> Iterator[tuple[str, dict[str, str]]]:
    """Record sets, and the array that each of their fields is read from."""
    source = card.source
    if isinstance(source, MedmnistSource):
        for part in _PARTS:
            yield part, {"image": f"{part}_images", "label": f"{part}_labels"}
    elif isinstance(source, EmbeddedSource):
        keys = {"image": source.images, "rating": source.label}
        keys |= {"covariate": source.covariate} if source.covariate else {}
        yield "samples", keys | ({"group": "groups"} if card.group else {})
    else:
        keys = {"image": "images", "label": "labels"}
        yield "samples", keys | ({"group": "groups"} if card.group else {})


# ----------------------------------------------------------------------------- records


def _classes(mlc: Any, card: TaskCard) -> Any:
    """The classes, with their names."""
    columns = {"index": mlc.DataType.INTEGER, "name": mlc.DataType.TEXT}
    return mlc.RecordSet(
        id="classes",
        name="classes",
        data_types=["https://schema.org/Enumeration"],
        key=["classes/index"],
        fields=[
            mlc.Field(id=f"classes/{name}", name=f"classes/{name}", data_types=[of])
            for name, of in columns.items()
        ],
        data=[
            {"classes/index": label, "classes/name": name}
            for label, name in enumerate(card.classes)
        ],
    )


def _records(mlc: Any, card: TaskCard) -> Iterator[Any]:
    for name, keys in _keys(card):
        fields = [_field(mlc, card, name, field, array) for field, array in keys.items()]
        yield mlc.RecordSet(
            id=name, name=name, description=f"One record a sample of {card.title}.", fields=fields
        )


def _field(mlc: Any, card: TaskCard, records: str, field: str, array: str) -> Any:
    types = {
        "image": mlc.DataType.IMAGE_OBJECT if card.dimension == 2 else mlc.DataType.FLOAT,
        "label": mlc.DataType.INTEGER,
        "group": mlc.DataType.TEXT,
    }
    source = mlc.Source(file_object="data", extract=mlc.Extract(column=array))
    place, of = f"{records}/{field}", [types.get(field, mlc.DataType.FLOAT)]
    if field == "label":
        classes = mlc.Source(field="classes/index")
        return mlc.Field(id=place, name=place, data_types=of, source=source, references=classes)
    return mlc.Field(
        id=place, name=place, description=_said(card, field), data_types=of, source=source
    )


def _said(card: TaskCard, field: str) -> str:
    source = card.source
    if isinstance(source, EmbeddedSource) and field == "rating":
        return f"Class 1 above {source.threshold:g}, class 0 below; equal ratings are left out."
    if field == "group":
        return f"Code of the {card.group}."
    axes = f" Stored axes: {source.axes}." if source.axes else ""
    return f"{card.modality}.{axes}" if field == "image" else field
