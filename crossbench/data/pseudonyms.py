"""Pseudonyms of patients and files: keyed hashes, whose key stays in the data root."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.data.canonical import plain_spelling
from crossbench.errors import DataError

if TYPE_CHECKING:
    from crossbench.files.data_root import DataRoot

_KEY_BYTES = 32
_DIGITS = 16  # of a pseudonym: two of a million patients share one once in 37 million data sets


@dataclass(frozen=True, kw_only=True)
class Pseudonyms:
    """Names in the place of identifiers.

    Attributes:
        key: The secret; empty keeps identifiers as they are.
    """

    key: bytes

    def of(self, identifier: str) -> str:
        """The pseudonym of a person, the same for all spellings of the identifier; empty for none.

        Spellings differ in case, white space or the form of characters alone, as in
        :func:`crossbench.data.canonical.canonical_groups`.
        """
        return self.of_file(plain_spelling(identifier)) if self.key else identifier

    def of_file(self, name: str) -> str:
        """The pseudonym of a file, of which another spelling is another one; empty for none."""
        if not name or not self.key:
            return name
        text = name.encode("utf-8", "surrogateescape")
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:_DIGITS]


def open_pseudonyms(root: DataRoot, *, keep: bool = False) -> Pseudonyms:
    """The pseudonyms of a data root; its salt is drawn on first use, readable by its owner alone.

    Args:
        root: The data root.
        keep: Whether identifiers are kept as they are.

    Raises:
        DataError: If the salt is damaged.
    """
    if keep:
        return Pseudonyms(key=b"")
    root.root.mkdir(parents=True, exist_ok=True)
    draft = root.salt.with_name(f".salt.{secrets.token_hex(8)}.tmp")
    if not root.salt.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_KEY_BYTES))
            stream.flush()
            os.fsync(descriptor)
        try:
            os.link(draft, root.salt)  # of two processes, one is first and both read its salt
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    text = root.salt.read_bytes().strip()
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        msg = f"{root.salt}: this is no salt of {2 * _KEY_BYTES} hexadecimal digits; restore it, or"
        raise DataError(f"{msg} delete it and make all data sets anew: their groups get new names")
    return Pseudonyms(key=key)
