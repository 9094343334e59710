"""Recognition of DICOM files by their class, image type and description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossbench.data.formats.dicom.headers import Header
    from crossbench.data.formats.dicom.series import Choice

#: Modalities whose series are volumes.
VOLUMES = ("CT", "MR", "PT", "NM")

#: Modalities of which each file is a picture.
PICTURES = (
    "CR", "DX", "MG", "US", "IVUS", "XA", "RF", "RG", "IO", "PX", "ES", "GM", "XC", "OP", "DM",
)  # fmt: skip

# Beginnings of SOP class UIDs; of several that fit, the longest counts.
_CLASSES = {
    "1.2.840.10008.1.3.10": "DICOMDIR, which is not needed",
    "1.2.840.10008.5.1.4.1.1.7": "screen capture",
    "1.2.840.10008.5.1.4.1.1.9": "waveform",
    "1.2.840.10008.5.1.4.1.1.11": "presentation state",
    "1.2.840.10008.5.1.4.1.1.66": "registration or segmentation",
    "1.2.840.10008.5.1.4.1.1.88": "structured report",
    "1.2.840.10008.5.1.4.1.1.88.59": "key object selection",
    "1.2.840.10008.5.1.4.1.1.88.67": "dose report",
    "1.2.840.10008.5.1.4.1.1.88.68": "dose report",
    "1.2.840.10008.5.1.4.1.1.104": "encapsulated document",
    "1.2.840.10008.5.1.4.1.1.481": "radiotherapy object",
}
_SCOUTS = {"LOCALIZER", "SCOUT", "SURVEY", "TOPOGRAM"}
_CAPTURES = {"SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "SCREEN CAPTURE"}
_REFORMATS = {
    "MPR", "REFORMATTED", "RESAMPLED", "PROJECTION IMAGE", "MIP", "MAX_IP", "MIN_IP", "MINIP",
    "CURVED", "CPR", "VRT", "VOLUME_RENDERED", "RENDERED", "SSD", "3D_RENDERING",
}  # fmt: skip
_SCOUT_WORDS = re.compile(
    r"\b(locali[sz]ers?|loc|scout|topogram|scanogram|survey|pilot|three[- ]plane|3[- ]plane)\b",
    re.IGNORECASE,
)
_REPORT_WORDS = re.compile(r"\b(dose (report|info|summary)|patient protocol)\b", re.IGNORECASE)


def why_left_out(header: Header, choice: Choice) -> str:
    """Reason that a file is no sample or part of one; empty where it is."""
    return _of_class(header) or ("" if choice.reformats else _derived(header))


def _of_class(header: Header) -> str:
    """Reason that files of this class, modality and description are no samples."""
    words, text = _words(header), header.description
    known, volume = (*VOLUMES, *PICTURES), header.modality in VOLUMES
    reasons = (
        (True, _named(header.sop_class)),
        (header.named, "DICOMDIR, which is not needed"),
        (not header.has_pixels, "no pixels"),
        (header.modality not in known, f"of modality {_modality(header)}, which is not read"),
        (words & _SCOUTS or (volume and _SCOUT_WORDS.search(text)), "scout or localizer"),
        (words & _CAPTURES, "screen capture"),
        (_REPORT_WORDS.search(text), "dose report"),
    )
    return next((why for holds, why in reasons if holds and why), "")


def _derived(header: Header) -> str:
    derived = header.image_type[:1] == ("DERIVED",) and header.modality in VOLUMES
    return (
        "derived reformat (MPR, MIP or another)" if derived and _words(header) & _REFORMATS else ""
    )


def _modality(header: Header) -> str:
    """The modality where it can be one: what else is written there is not repeated."""
    return header.modality if re.fullmatch("[A-Z]{2,8}", header.modality) else "unknown"


def _words(header: Header) -> set[str]:
    values = header.image_type
    return {*values, *(word for value in values for word in value.split())}


def _named(sop_class: str) -> str:
    parts = sop_class.split(".")
    beginnings = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((_CLASSES[each] for each in beginnings if each in _CLASSES), "")
