"""Tables of extra tasks in an installed package: what they add, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossbench.errors import CardError, RequestError
from crossbench.registry import tasks
from crossbench.registry.tasks import extra_faults, extra_tasks, find_task, load_tasks
from crossbench.results.boards.groups import task_groups

OTHER = """
[sizes.{name}]
base = "{base}"
size = 30
file = "small.npz"
url = "https://example.org/small.npz"
checksum = {{ md5 = "{digest}" }}
"""
OWN = """
[cards.dots]
title = "Dots"
kind = "{kind}"
modality = "Drawing"
classes = ["few", "many"]
licence = "CC0-1.0"
citation = "Drawn for the tests"
metric = "accuracy"
version = 1
group_by = "drawings"
source = {{ kind = "npz", file = "dots.npz" }}
"""


def other(name: str = "vessel-30", base: str = "vessel", digest: str = "a" * 32) -> str:
    return OTHER.format(name=name, base=base, digest=digest)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Install a package with a table of extra tasks, and read the registry anew."""

    def write(table: str) -> Path:
        about = tmp_path / "more_drawings-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: more-drawings\nVersion: 1.0\n"
        )
        (about / "entry_points.txt").write_text("[crossbench.tasks]\nmore = more_drawings\n")
        file = tmp_path / "more_drawings" / "extra" / "table.toml"
        file.parent.mkdir(parents=True)
        (file.parents[1] / "__init__.py").touch()
        file.write_text(table)
        monkeypatch.syspath_prepend(tmp_path)
        _forget()
        return file

    yield write
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    tasks._extra.cache_clear()
    tasks._registered.cache_clear()


def test_a_package_adds_cards_and_sizes(install: Callable[[str], Path]) -> None:
    file = install(OWN.format(kind="image") + other())
    assert extra_faults() == ()
    assert find_task("dots").path == file
    assert find_task("vessel-30").shape == (30, 30, 30)
    assert find_task("vessel-30").checksum == {"md5": "a" * 32}
    assert "dots" not in load_tasks()
    assert task_groups()["dots"] == "drawings"
    assert "vessel-30" not in task_groups()


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (OWN.format(kind="vollume"), r"dots: key 'kind' is 'vollume'; unknown input kind"),
        (OWN.format(kind="image") + "colour = 1", r"dots: unknown key 'colour'"),
        (other(base="vesel"), r"vessel-30: unknown base 'vesel'; did you mean vessel"),
        (other(base="mosmed"), r"vessel-30: key 'base': 'mosmed' has no origin that offers"),
        (other(base="nodule-malignancy-3d"), r"key 'base': 'nodule-malignancy-3d' has no origin"),
        (other(digest="b"), r"vessel-30: key 'checksum' is \{'md5': 'b'\}; it must be hexadecimal"),
        (other("Vessel"), r"Vessel: key 'name' is 'Vessel'; it must be in kebab case"),
        (other("vessel"), r"vessel: the name is taken by .*vessel\.toml; rename one of them"),
        (other() + "sides = 3", r"\[sizes.vessel-30\]: unknown key 'sides'; did you mean size"),
        ("cards = 3", r"key 'cards' is 3; it must be a table"),
        ("[cards", r"not readable as TOML"),
    ],
)
def test_what_is_wrong_is_named_and_hides_nothing_else(
    table: str, fault: str, install: Callable[[str], Path]
) -> None:
    file = install(table)
    (message,) = extra_faults()
    with pytest.raises(CardError, match=fault):
        raise CardError(message)
    assert message.startswith(str(file))
    assert "vessel-28" in extra_tasks()
    with pytest.raises(RequestError, match=fault):
        find_task("no-such-task")


def test_the_registry_cannot_be_changed_by_a_reader() -> None:
    extra_tasks().clear()
    assert "vessel-28" in extra_tasks()
