"""Random damage to the bytes of files, and to what is within their forms."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: What is spliced into files: values that readers of JSON, TOML and zip files stumble over.
SNIPPETS = (
    b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"-1", b"0", b"null", b"true", b"[" * 900,
    b'{"a":' * 200, b"a." * 2000, b"\\ud800", b"\\u0000", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b'"', b"'", b"\n", b"=", b"[[", b"1979-05-27", b"0x7f", b"PK\x05\x06", b"PK\x03\x04",
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**400, 1e308, float("nan"), float("-inf"), 0.999, "", "x", "\ud800", "\0",
    "../../x", "/dev/zero", "a" * 10_000, [], {}, [[[[]]]], {"task": 1}, [None] * 1000,
)  # fmt: skip


def damage(content: bytes, random: np.random.Generator) -> bytes:
    """A damaged copy: mostly one change, at times several, of bits, bytes, lengths or words."""
    for _ in range(int(random.geometric(0.7))):
        content = _CHANGES[int(random.integers(len(_CHANGES)))](content, random)
    return content


def in_zip(content: bytes, random: np.random.Generator) -> bytes:
    """Damage one member of a zip file, often its beginning, under a checksum that fits."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    chosen = int(random.integers(len(members)))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for place, (info, held) in enumerate(members):
            head = len(held) if random.random() < 0.5 else 128
            changed = damage(held[:head], random) + held[head:] if place == chosen else held
            archive.writestr(info.filename, changed, info.compress_type)
    return stream.getvalue()


def in_safetensors(content: bytes, random: np.random.Generator) -> bytes:
    """Damage the header of a safetensors file, whose length is stated before it, to fit."""
    length = int.from_bytes(content[:8], "little")
    header = damage(content[8 : 8 + length], random)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def in_lines(content: bytes, random: np.random.Generator) -> bytes:
    """Replace the value of one line ``key = value``, take the line out, or repeat it."""
    lines = content.splitlines(keepends=True)
    place = int(random.integers(len(lines)))
    key, equals, _ = lines[place].partition(b"= ")
    snippet = SNIPPETS[int(random.integers(len(SNIPPETS)))]
    new = (
        [key + equals + snippet + b"\n"],
        [key + equals + b'"' + snippet + b'"\n'],
        [],
        [lines[place]] * 2,
    )
    return b"".join([*lines[:place], *new[int(random.integers(4))], *lines[place + 1 :]])


def in_json(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, remove or add one value of a JSON object, however deep."""
    whole = json.loads(content)
    holders = [whole]
    for each in holders:
        inner = each.values() if isinstance(each, dict) else each
        holders += [value for value in inner if isinstance(value, dict | list) and value]
    holder = holders[int(random.integers(len(holders)))]
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    key = keys[int(random.integers(len(keys)))]
    change, value = int(random.integers(4)), VALUES[int(random.integers(len(VALUES)))]
    if change == 0:
        del holder[key]
    elif change == 1 and isinstance(holder, dict):
        holder[f"{key}?"] = value
    else:
        holder[key] = value
    return json.dumps(whole).encode()


def _place(content: bytes, random: np.random.Generator) -> int:
    return int(random.integers(len(content) + 1))


def _flip(content: bytes, random: np.random.Generator) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    changed[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def _overwrite(content: bytes, random: np.random.Generator) -> bytes:
    start, count = _place(content, random), int(random.integers(1, 17))
    return content[:start] + random.bytes(count) + content[start + count :]


def _truncate(content: bytes, random: np.random.Generator) -> bytes:
    return content[: _place(content, random)]


def _cut(content: bytes, random: np.random.Generator) -> bytes:
    start, count = _place(content, random), int(random.integers(1, 65))
    return content[:start] + content[start + count :]


def _repeat(content: bytes, random: np.random.Generator) -> bytes:
    start, count = _place(content, random), int(random.integers(1, 257))
    return content[: start + count] + content[start:]


def _splice(content: bytes, random: np.random.Generator) -> bytes:
    start = _place(content, random)
    return content[:start] + SNIPPETS[int(random.integers(len(SNIPPETS)))] + content[start:]


def _number(content: bytes, random: np.random.Generator) -> bytes:
    """Put a snippet in place of a digit."""
    digits = [place for place, byte in enumerate(content[:100_000]) if 48 <= byte < 58]
    if not digits:
        return content
    place = digits[int(random.integers(len(digits)))]
    snippet = SNIPPETS[int(random.integers(len(SNIPPETS)))]
    return content[:place] + snippet + content[place + 1 :]


_CHANGES = (_flip, _flip, _overwrite, _truncate, _cut, _repeat, _splice, _number)
