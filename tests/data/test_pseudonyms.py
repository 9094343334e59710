"""Names in the place of identifiers."""

from __future__ import annotations

import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crossbench.data.pseudonyms import open_pseudonyms
from crossbench.files.data_root import DataRoot


def test_pseudonyms_are_keyed_hashes_of_plain_spellings(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "new" / "root")
    of = open_pseudonyms(root).of
    key = bytes.fromhex(root.salt.read_text())
    assert of("Pat 7") == hmac.new(key, b"pat 7", hashlib.sha256).hexdigest()[:16]
    assert of(" pat  7 ") == of("PAT 7") == of("Pat\u00a07") != of("pat 8")
    assert of("") == ""
    files = [open_pseudonyms(root).of_file(name) for name in ("a.png", "A.png", "a .png", "")]
    assert len(set(files)) == 4
    assert files[3] == ""
    assert open_pseudonyms(root).of("Pat 7") == of("Pat 7")
    assert open_pseudonyms(DataRoot(tmp_path / "other")).of("Pat 7") != of("Pat 7")


def test_identifiers_may_be_kept(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    assert open_pseudonyms(root, keep=True).of("Pat 7") == "Pat 7"
    assert not root.root.exists()


def test_processes_that_begin_together_share_one_salt(tmp_path: Path) -> None:
    root = DataRoot(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: open_pseudonyms(root).of("x"), range(32)))
    assert len(set(found)) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["salt"]
    assert root.salt.stat().st_mode & 0o777 == 0o600
