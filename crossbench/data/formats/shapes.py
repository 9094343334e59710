"""Whether samples of a file have the shape that a network was fitted to."""

from __future__ import annotations

from crossbench.errors import DataError


def check_shape(
    found: tuple[int, ...], shape: tuple[int, ...], *, where: str, any_size: bool = False
) -> None:
    """Refuse samples of other channels or, unless they may be of any size, of another size.

    Args:
        found: (C, *spatial) of the file's samples.
        shape: (C, *spatial) of the task's samples.
        where: File that error messages name.
        any_size: Whether samples are brought to one size.

    Raises:
        DataError: Naming both.
    """
    channels, *space = found
    if channels != shape[0]:
        have, need = _channels(channels), _channels(shape[0])
        msg = f"{where}: samples have {have}, the network was fitted to {need}; convert them"
        raise DataError(msg)
    if not any_size and tuple(space) != shape[1:]:
        have, need = ("x".join(map(str, sides)) for sides in (space, shape[1:]))
        msg = (
            f"{where}: volumes are {have}, the network was fitted to {need} (DxHxW); "
            "volumes are fed as they are, so resample them to that"
        )
        raise DataError(msg)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
