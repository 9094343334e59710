"""The data file of an import: one uncompressed npz file, written sample by sample."""

from __future__ import annotations

import json
import zipfile
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from crossbench.data.formats.npz import map_npy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.importers.interface import Listing
    from crossbench.data.importers.parts import Form, Samples

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same samples make the same file whenever they are imported


def write(file: Path, samples: Samples, form: Form, *, about: Mapping[str, Any]) -> None:
    """Write the images one after the other, and what is known of them; zeros after short ones.

    Args:
        file: The npz file.
        samples: The samples, all read.
        form: Their shape and dtype.
        about: How they were made, plain values.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        site = "site" if samples.asked.importer.sited else "sites"
        known = columns(samples.listing, about, site=site)
        if form.lengths:
            known["lengths"] = np.array(form.lengths, np.int64)
        for name, column in known.items():
            with _member(archive, name) as stream:
                npy.write_array(stream, column, allow_pickle=False)
        with _member(archive, "images") as stream:
            shape = (len(samples.parts), *form.shape)
            header = {"descr": form.dtype.str, "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(stream, header)
            for image in map(map_npy, samples.parts):
                stream.write(np.ascontiguousarray(_filled(image, form), form.dtype).data)


def columns(
    listing: Listing, about: Mapping[str, Any], *, site: str = "sites"
) -> dict[str, NDArray[Any]]:
    """The arrays beside the images, sites as ``site``; of what is unknown there is none."""
    samples = listing.samples
    known: dict[str, NDArray[Any]] = {
        "labels": np.array([sample.label for sample in samples], np.int64),
        "ids": np.array([sample.id for sample in samples], np.str_),
        "about": np.array(json.dumps(about, ensure_ascii=False, sort_keys=True)),
    }
    if all(sample.group for sample in samples):
        known["groups"] = np.array([sample.group for sample in samples], np.str_)
    if all(sample.site for sample in samples):
        known[site] = np.array([sample.site for sample in samples], np.str_)
    if all(sample.official >= 0 for sample in samples):
        known["official"] = np.array([sample.official for sample in samples], np.int8)
    covariate = np.array([sample.covariate for sample in samples], np.float64)
    if np.isfinite(covariate).all():
        known["covariate"] = covariate
    names = list(dict.fromkeys(name for sample in samples for name in sample.covariates))
    if names:
        numbers = [[sample.covariates.get(name, np.nan) for name in names] for sample in samples]
        known["covariates"] = np.array(numbers, np.float64)
        known["covariate_names"] = np.array(names, np.str_)
    acquisition = np.array([sample.acquisition for sample in samples], np.float64)
    if acquisition.size:
        known["acquisition"] = acquisition
    return known


def _filled(image: NDArray[Any], form: Form) -> NDArray[Any]:
    """A sample in the shape of the longest, with zeros after its end."""
    if image.shape == form.shape:
        return image
    filled = np.zeros(form.shape, image.dtype)
    filled[..., : image.shape[-1]] = image
    return filled


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True)
