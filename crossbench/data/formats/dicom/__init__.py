"""DICOM as hospitals export it: folders of many series, without order or file endings.

Headers are read by pydicom, volumes by dcm2niix, pictures by pydicom with its decoders. Of what
identifies a patient, nothing leaves this package but :attr:`Series.patient`, to be hashed.

>>> from pathlib import Path
>>> from crossbench.data.formats.dicom import Choice, list_series, read_volume
>>> def volumes(folder: Path):
...     listing = list_series(folder, Choice(volume=1))
...     return [read_volume(series) for series in listing.series if series.kind == "volume"]
"""

from crossbench.data.formats.dicom.listing import list_series, one_series, series_of
from crossbench.data.formats.dicom.pictures import Picture, read_dicom_picture
from crossbench.data.formats.dicom.series import Choice, LeftOut, Series, SeriesListing
from crossbench.data.formats.dicom.volumes import Volume, read_volume

__all__ = [
    "Choice",
    "LeftOut",
    "Picture",
    "Series",
    "SeriesListing",
    "Volume",
    "list_series",
    "one_series",
    "read_dicom_picture",
    "read_volume",
    "series_of",
]
