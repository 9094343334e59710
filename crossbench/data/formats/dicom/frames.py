"""Some frames of a multi-frame file, as a file of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crossbench.data.formats.dicom.bounds import check_form, quiet
from crossbench.data.formats.dicom.decoding import decode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def keep_frames(file: Path, numbers: Sequence[int], out: Path) -> None:
    """Write a multi-frame file that has these frames alone, uncompressed.

    Args:
        file: The file.
        numbers: Numbers of the frames, counted from 1.
        out: The file to write.

    Raises:
        DataError: If it is damaged; the message does not name it.
    """
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRLittleEndian

    syntax = check_form(file)
    with quiet():
        data = dcmread(file)
        frames = [decode(data, syntax, number - 1)[0] for number in numbers]
        groups = data.PerFrameFunctionalGroupsSequence
        data.PerFrameFunctionalGroupsSequence = [groups[number - 1] for number in numbers]
        data.NumberOfFrames = len(numbers)
        data.PixelData = np.stack(frames).astype(frames[0].dtype.newbyteorder("<")).tobytes()
        data["PixelData"].is_undefined_length = False
        data["PixelData"].VR = "OW"
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.save_as(out, implicit_vr=False, little_endian=True)
