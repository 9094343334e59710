"""Weights of a name, and installed packages that hold them, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_ENTRY = {
    "name": "in1k",
    "layers": ["plain"],
    "repo": "lab/net",
    "file": "deep/model.safetensors",
    "revision": COMMIT,
}

#: Changes to an entry that leave it without a file, for one that lies in packages.
SERVED = {"repo": "", "revision": "", "file": ""}


def own_weights(monkeypatch: pytest.MonkeyPatch, folder: Path, **changes: Any) -> None:
    """Point $CROSSBENCH_WEIGHTS to a file with one entry; an empty value leaves a key out."""
    entry = {key: value for key, value in (_ENTRY | changes).items() if value}
    lines = [f"{key} = {_toml(value)}" for key, value in entry.items()]
    file = folder / "weights.toml"
    file.write_text("\n".join(["[[weights]]", *lines]))
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(file))


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value)


def install(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """Unpack a distribution into a folder of installed packages, as pip does.

    Its package raises when it is imported.
    """
    module = name.replace("-", "_")
    bomb = b"raise RuntimeError('imported')"
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    content = files | {f"{module}/__init__.py": bomb, f"{info}/METADATA": metadata}
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    listed = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    (folder / info / "RECORD").write_text(listed)
