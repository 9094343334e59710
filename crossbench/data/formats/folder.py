"""Images in folders, one a class: ``train/CLASS/*`` and ``val/CLASS/*``, as torchvision reads them.

Images are decoded and brought to size by threads, which Pillow lets run side by side; whole
batches are normalised on the device. What is drawn for an image follows from the seed and the
image's position in the batch list alone, never from the threads.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

from crossbench.data.formats.pictures import check_picture
from crossbench.data.transforms.batch import RandomSource, normalise
from crossbench.data.transforms.image import draw_images
from crossbench.errors import DataError
from crossbench.files.paths import is_litter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from crossbench.data.transforms.gray import Triple

_PARTS = ("train", "val")
_NAMED = 5  # unreadable images in a message

#: The label of an image that could not be read and is not scored.
UNREAD = -1


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The images of one part, in the order of their paths.

    Attributes:
        root: Folder of the part.
        files: Paths below ``root``.
        labels: (n,) int64, indices into the classes.
    """

    root: Path
    files: tuple[str, ...]
    labels: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ImageFolder:
    """Listing of a folder of images, before any of them is read.

    Attributes:
        classes: Names of the folders in ``train``, sorted; the index is the label.
        train: The images to learn from.
        val: The images to be scored on.
        content_hash: SHA-256 over the paths and sizes of all files. Their bytes are not read: that
            would take as long as an epoch.
    """

    classes: tuple[str, ...]
    train: Listing
    val: Listing
    content_hash: str


@cache
def open_folder(root: Path) -> ImageFolder:
    """List the images of a folder.

    Args:
        root: A folder with ``train/CLASS/*`` and ``val/CLASS/*``; files may lie deeper, and count
            as images by the ending of their names. What begins with a dot is not looked at:
            ``.ipynb_checkpoints`` is no class, ``._x.png`` no image.

    Raises:
        DataError: If a part or its images are missing, there are fewer than two classes, or
            ``val`` has a class that ``train`` lacks.
    """
    for part in _PARTS:
        if not (root / part).is_dir():
            raise DataError(f"{root}: no folder {part!r}; images go into {part}/CLASS/")
    classes, indices = _classes(root / "train")
    if len(classes) < 2:
        raise DataError(f"{root / 'train'} has {len(classes)} class; two or more are needed")
    strangers = sorted(set(_classes(root / "val")[0]) - set(classes))
    if strangers:
        raise DataError(f"{root / 'val'} has class {strangers[0]!r}, which train has not")
    train, val = (_list(root / part, indices) for part in _PARTS)
    return ImageFolder(classes=classes, train=train, val=val, content_hash=_hash(train, val))


def _classes(folder: Path) -> tuple[tuple[str, ...], dict[str, int]]:
    names = sorted(
        each.name for each in folder.iterdir() if each.is_dir() and not is_litter(each.name)
    )
    if not names:
        raise DataError(f"{folder} has no class folders")
    return tuple(names), {name: index for index, name in enumerate(names)}


def _list(root: Path, indices: dict[str, int]) -> Listing:
    found = [
        (file.relative_to(root), label)
        for path, label in make_dataset(root, indices, IMG_EXTENSIONS, allow_empty=True)
        if not any(map(is_litter, (file := Path(path)).relative_to(root).parts))
    ]
    if not found:
        raise DataError(f"{root} has no images ({', '.join(IMG_EXTENSIONS)})")
    return Listing(
        root=root,
        files=tuple(file.as_posix() for file, _ in found),
        labels=np.array([label for _, label in found], dtype=np.int64),
    )


def _hash(*listings: Listing) -> str:
    digest = hashlib.sha256()
    for listing in listings:
        for file in listing.files:
            size = (listing.root / file).stat().st_size
            digest.update(f"{listing.root.name}/{file}\0{size}\n".encode())
    return digest.hexdigest()


# ------------------------------------------------------------------------ images as batches


@dataclass(frozen=True, kw_only=True)
class FolderPart:
    """One part of a folder as batches of network inputs.

    Attributes:
        listing: Its images.
        size: Side length in pixels of the inputs.
        crop_scale: Area range of RandomResizedCrop.
        mean: Of each channel, after scaling to [0, 1].
        std: Of each channel, after scaling to [0, 1].
        device: Where batches go.
        workers: Threads that decode; 0 decodes in step.
        max_unreadable: Share of the images that may be unreadable.
        unreadable: Those found so far, each as ``path: reason``.
    """

    listing: Listing
    size: int
    crop_scale: tuple[float, float]
    mean: Triple
    std: Triple
    device: torch.device
    workers: int
    max_unreadable: float
    unreadable: set[str] = field(default_factory=set)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) int64 labels in the order of the listing."""
        return self.listing.labels

    def stream(
        self, batches: Sequence[NDArray[np.int64]], seed: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of network inputs; see :class:`crossbench.pretraining.loop.Part`.

        Raises:
            DataError: If more images than ``max_unreadable`` allows cannot be read; the message
                names the first of them.
        """
        for images, labels in self._read(batches, seed):
            pixels = torch.from_numpy(images).to(self.device, non_blocking=True)
            inputs = normalise(pixels.permute(0, 3, 1, 2).float() / 255, self.mean, self.std)
            yield inputs, torch.from_numpy(labels).to(self.device, non_blocking=True)

    def check(self, unreadable: set[str]) -> None:
        """Refuse a part of which too much cannot be read.

        Raises:
            DataError: With the number and the names.
        """
        count, total = len(unreadable), len(self.labels)
        if count > self.max_unreadable * total:
            shown = "; ".join(sorted(set(unreadable))[:_NAMED])
            names = shown + ("; ..." if count > _NAMED else "")
            msg = (
                f"{self.listing.root}: {count} of {total} images cannot be read ({names}), more "
                f"than a share of {self.max_unreadable:g}; mend them, or raise max_unreadable"
            )
            raise DataError(msg)

    def _read(
        self, batches: Sequence[NDArray[np.int64]], seed: int | None
    ) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        if self.workers == 0:
            for batch in batches:
                yield self._stack([self._load(int(place), seed) for place in batch])
            return
        with ThreadPoolExecutor(self.workers) as pool:
            pending: deque[list[Future[tuple[NDArray[np.uint8], int]]]] = deque()
            for batch in batches:
                pending.append([pool.submit(self._load, int(place), seed) for place in batch])
                if len(pending) > 2:  # one is decoded while another is waited for
                    yield self._stack([each.result() for each in pending.popleft()])
            while pending:
                yield self._stack([each.result() for each in pending.popleft()])

    def _stack(
        self, samples: list[tuple[NDArray[np.uint8], int]]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        self.check(self.unreadable)
        images = np.stack([image for image, _ in samples])
        return images, np.array([label for _, label in samples], dtype=np.int64)

    def _load(self, place: int, seed: int | None) -> tuple[NDArray[np.uint8], int]:
        """(S, S, 3) uint8 pixels of an image, or of what stands for it, and its label."""
        image = self._open(place)
        if seed is None:
            if image is None:
                return np.zeros((self.size, self.size, 3), np.uint8), UNREAD
            return centred(image, self.size), int(self.labels[place])
        while image is None:
            self.check(self.unreadable)  # else a folder without readable images has no end
            place = (place + 1) % len(self.labels)
            image = self._open(place)
        random = RandomSource(hash_pair(seed, place), "cpu")
        return cropped(image, self.size, self.crop_scale, random), int(self.labels[place])

    def _open(self, place: int) -> Image.Image | None:
        """The image in three channels; None, and why, noted by name, where it cannot be read."""
        file = self.listing.files[place]
        try:
            return read_image(self.listing.root / file)
        except Exception as error:  # noqa: BLE001  (decoders raise what they like)
            why = str(error).replace(str(self.listing.root / file), file) or type(error).__name__
            if isinstance(error, UnidentifiedImageError):
                why = "no image"
            self.unreadable.add(f"{file}: {why}")
            return None


def hash_pair(seed: int, place: int) -> int:
    """A seed of its own for each image of an epoch."""
    digest = hashlib.sha256(f"{seed}/{place}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def read_image(file: Path) -> Image.Image:
    """An image of 8 bits a channel as RGB.

    Raises:
        OSError: If it is damaged, cut off, or no image.
        ValueError: If it holds several pictures, or values of more than 8 bits.
    """
    with Image.open(file) as image:
        check_picture(image, deep_gray=False)
        return image.convert("RGB")


def cropped(
    image: Image.Image, size: int, crop_scale: tuple[float, float], random: RandomSource
) -> NDArray[np.uint8]:
    """RandomResizedCrop (bilinear, antialiased) and a flip: (size, size, 3) pixels."""
    width, height = image.size
    drawn = draw_images(random, torch.Size((1, 3, height, width)), crop_scale)
    left, top = int(drawn.left), int(drawn.top)
    box = (left, top, left + int(drawn.width), top + int(drawn.height))
    pixels = np.asarray(image.crop(box).resize((size, size), Image.Resampling.BILINEAR))
    return pixels[:, ::-1] if drawn.flip else pixels


def centred(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The short side resized to ``round(size * 256 / 224)``, the centre cut out."""
    width, height = image.size
    short = round(size * 256 / 224)
    scaled = [int(short * side / min(width, height)) for side in (width, height)]
    image = image.resize((scaled[0], scaled[1]), Image.Resampling.BILINEAR)
    left, top = (round((side - size) / 2) for side in scaled)
    return np.asarray(image.crop((left, top, left + size, top + size)))
