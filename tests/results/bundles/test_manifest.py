"""Manifests: what is read, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from made_bundles import MANIFEST, METHOD

from crossbench.errors import BundleError
from crossbench.files.hashing import hash_json
from crossbench.results.bundles.manifest import BundledFile, Manifest, from_bytes, sealed, to_bytes

PATHS = ("LICENSE", "environment.json", "records/a/b.json", "source/plugin/mine.py")


def whole(*paths: str, **changed: Any) -> Manifest:
    files = tuple(BundledFile(path=path, size=1, sha256="0" * 64) for path in paths or PATHS)
    return sealed(dataclasses.replace(MANIFEST, files=files, **changed))


def test_what_is_written_is_read() -> None:
    manifest = whole(note="Ours.", partial=True, track="evening-1")
    assert from_bytes(to_bytes(manifest), where="x") == manifest
    assert manifest.paths == PATHS


def test_a_changed_manifest_is_refused() -> None:
    mapping = json.loads(to_bytes(whole())) | {"authors": ["Someone Else"]}
    with pytest.raises(BundleError, match=r"^x: the digest of its manifest is not that of its con"):
        from_bytes(json.dumps(mapping).encode(), where="x")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[]", r"its manifest holds list, not an object"),
        (b"{", r"its manifest is not readable as JSON: "),
        (b"{}", r"schema version None of its manifest is unknown; this crossbench reads 1"),
        (b'{"schema_version": 2}', r"schema version 2 of its manifest is unknown"),
        (b'{"schema_version": true}', r"schema version True of its manifest is unknown"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, fault: str) -> None:
    with pytest.raises(BundleError, match=f"^x: {fault}"):
        from_bytes(content, where="x")


def test_an_unknown_key_is_named() -> None:
    mapping = json.loads(to_bytes(whole())) | {"author": "me"}
    mapping["digest"] = hash_json({key: mapping[key] for key in mapping if key != "digest"})
    with pytest.raises(BundleError, match=r"manifest.json: unknown key 'author'; did you mean aut"):
        from_bytes(json.dumps(mapping).encode(), where="x")


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/passwd", "records/../../x", "source/./x", "source//x", "records\\x"),
        *("source/a\x1b", "C:/x", "source/C:x", "records", "setup.py", "", "manifest.json"),
    ],
)
def test_a_path_that_no_bundle_holds_is_refused(path: str) -> None:
    with pytest.raises(BundleError, match=r"names '.*', which no bundle holds; get the bundle"):
        from_bytes(to_bytes(whole(*PATHS, path)), where="x")


@pytest.mark.parametrize(
    ("manifest", "fault"),
    [
        (whole(*PATHS, PATHS[2]), r"names 'records/a/b.json' twice"),
        (whole(*PATHS[1:]), r"lacks 'LICENSE'"),
        (whole(*PATHS, "source/more.py"), r"names other files of source than its method has"),
        (
            whole(*PATHS[:-1], method=dataclasses.replace(METHOD, sources={})),
            r"names no source of its method",
        ),
        (whole(authors=()), r"names no authors"),
        (whole(authors=("a\x1b[2J",)), r"has no proper authors: it: key 'authors' is"),
        (whole(licence="\x1b"), r"has the licence '.x1b', which is no printable line"),
        (whole(track="x" * 300), r"has the track 'x+', which is no printable line"),
        (whole(note="\x07"), r"has a note that is longer than 5000 characters or not printable"),
        (whole(method=dataclasses.replace(METHOD, plugin="")), r"must name either a plugin file"),
        (whole(method=dataclasses.replace(METHOD, target="a:B")), r"must name either a plugin"),
        (
            whole(method=dataclasses.replace(METHOD, plugin="other.py:method")),
            r"names the plugin 'other.py:method', which is none of its source",
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(manifest: Manifest, fault: str) -> None:
    with pytest.raises(BundleError, match=f"^x: its manifest {fault}"):
        from_bytes(to_bytes(manifest), where="x")
