"""Work that several processes share: each item is done by the one that claims it first.

A claim is a lock on a file, which the system takes back when its process ends, however that comes
about. Processes need not know of one another: those that write into one folder share its work.
Where the file system has no locks, a process does all of the work.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import uuid
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from filelock import FileLock, Timeout

from crossbench.errors import RequestError
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

T = TypeVar("T")

#: The folder of claims below a results folder.
CLAIMS = ".claims"

_LOOK = 1.0  # seconds between looks at whether there is something to wait for
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class Claims:
    """The claims on the work of one folder.

    Args:
        root: The folder; made as needed. Claims are files in ``.claims`` below it, while they last.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / CLAIMS
        self._closed = False

    def close(self) -> None:
        """Wait for nothing more: every :meth:`each` ends with what it has given."""
        self._closed = True

    @cached_property
    def shared(self) -> bool:
        """Whether processes can share the folder's work: whether its file system has locks.

        Raises:
            RequestError: If the folder cannot be written.
        """
        file = self._folder / f"{uuid.uuid4().hex}.lock"  # nobody else's
        lock = FileLock(file, fallback_to_soft=False)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except (Timeout, NotImplementedError):  # some systems say EACCES, as if it were taken
            return False
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return False
            raise self._not_writable(error) from error
        finally:
            lock.release()
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
        return True

    def each(
        self, groups: Iterable[Iterable[T]], name: Callable[[T], str], *, wait: bool = True
    ) -> Iterator[list[T]]:
        """Every item, those of a group together, under claims that last until more is asked for.

        What others have claimed of a group comes last, once they let go of it: whether it is done
        by then, the caller must see.

        Args:
            groups: Items that are done by one process, such as those that share features.
            name: What tells an item from all others of the folder.
            wait: Whether to come back for what others have claimed.

        Raises:
            RequestError: If the folder cannot be written.
        """
        if not self.shared:
            folder = str(self._folder.parent)
            warnings.warn(
                f"the file system of results folder {folder!r} has no locks, so processes cannot "
                "share its runs; start one at a time",
                stacklevel=2,
            )
        left = [list(group) for group in groups]
        while left:
            taken = []
            for group in left:
                with contextlib.ExitStack() as held:
                    mine = [held.enter_context(self._claim(name(item))) for item in group]
                    if free := list(itertools.compress(group, mine)):
                        yield free
                if len(free) < len(group):
                    taken.append([item for item, ours in zip(group, mine, strict=True) if not ours])
                if self._closed:
                    return
            left = taken if wait else []
            while left and not self._closed:
                with self._claim(name(left[0][0]), seconds=_LOOK) as let_go:
                    if let_go:
                        break

    def forget(self, names: Iterable[str]) -> None:
        """Remove what processes that were killed have left of claims that nobody makes any more.

        Raises:
            RequestError: If the folder cannot be written.
        """
        there = {file.name for file in self._folder.glob("*.lock")}
        for name in names:
            if f"{claim_name(name)}.lock" in there:
                with self._claim(name):
                    pass  # its file goes with it

    @contextlib.contextmanager
    def _claim(self, name: str, *, seconds: float = 0) -> Iterator[bool]:
        """Hold an item; False where another process does."""
        if not self.shared:
            yield True
            return
        file = self._folder / f"{claim_name(name)}.lock"
        lock = FileLock(file, fallback_to_soft=False)
        try:
            lock.acquire(timeout=seconds)
        except Timeout:
            yield False
            return
        except OSError as error:
            raise self._not_writable(error) from error
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                file.unlink(missing_ok=True)
            lock.release()

    def _not_writable(self, error: OSError) -> RequestError:
        folder = str(self._folder.parent)
        return RequestError(f"results folder {folder!r} cannot be written: {error}")


def claim_name(name: str) -> str:
    """What the files about an item are called, whatever characters its name has."""
    return hash_json(name)[:32]
