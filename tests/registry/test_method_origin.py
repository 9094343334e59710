"""Where methods say that they come from, and who made them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from own_method import METHOD

from crossbench.environment.provenance import package_versions
from crossbench.errors import RequestError
from crossbench.registry.entries import method_entries
from crossbench.registry.method_identity import read_config
from crossbench.registry.method_origin import method_origin, registered_metadata
from crossbench.registry.methods import load_method, load_plugin
from crossbench.specs.reader import to_mapping

DECLARED = METHOD.replace("    dims", "    metadata = {}\n    dims")


def plugin(folder: Path, text: str) -> str:
    file = folder / "mine.py"
    file.write_text(text)
    return str(file)


def test_a_registered_method_has_what_it_declares_before_what_its_package_does() -> None:
    origin = method_origin(load_method("acs"))
    assert origin["distribution"] == "crossbench"
    assert origin["version"] == package_versions()["crossbench"]
    assert origin["metadata"]["authors"][0] == "Jiancheng Yang"
    assert origin["metadata"]["url"] == "https://github.com/M3DV/ACSConv"
    plain = method_origin(load_method("conv2d"))
    assert plain["metadata"] == {"authors": ["The crossbench developers"], "licence": "MIT"}
    assert plain["summary"] == "Plain 2D convolution: the baseline of every 2D task."


def test_metadata_is_read_from_the_source_as_it_is_from_the_method() -> None:
    for name, entry in method_entries().items():
        loaded = method_origin(load_method(name))["metadata"]
        found = to_mapping(registered_metadata(entry))
        assert {key: value for key, value in found.items() if value} == loaded


def test_every_shipped_method_says_who_made_it() -> None:
    for name in method_entries():
        origin = method_origin(load_method(name))
        assert origin["metadata"]["authors"], name
        assert origin["metadata"]["licence"], name
        assert origin["summary"], name


def test_a_plugin_says_its_file_and_what_it_declares(tmp_path: Path) -> None:
    text = "'''Mine,\nover two lines.\n\nMore.'''" + DECLARED.replace("{}", "{'licence': 'MIT'}")
    assert method_origin(load_plugin(plugin(tmp_path, text))) == {
        "distribution": "plugin file",
        "version": "",
        "file": "mine.py",
        "git": {},
        "metadata": {"licence": "MIT"},
        "summary": "Mine, over two lines.",
    }


def test_a_class_says_what_its_module_does_not(tmp_path: Path) -> None:
    text = METHOD.replace("    name", "    '''As it is.'''\n    name")
    assert method_origin(load_plugin(plugin(tmp_path, text)))["summary"] == "As it is."


def test_metadata_is_none_of_the_values_of_an_identity(tmp_path: Path) -> None:
    method = load_plugin(plugin(tmp_path, DECLARED.replace("{}", "{'url': 'https://a.org'}")))
    assert read_config(method) == {"name": "mine", "dims": [3]}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("{'autors': ['A']}", "method 'mine': metadata: unknown key 'autors'; did you mean author"),
        ("{'authors': 'A'}", "method 'mine': metadata: key 'authors' is 'A'; it must be an array"),
        ("'A'", "method 'mine': metadata (='A') must be a dict"),
        ("{1: 2}", "method 'mine': metadata (={1: 2}) must be a dict"),
        ("property(lambda self: 1 / 0)", "method 'mine': its metadata cannot be read: ZeroDiv"),
    ],
)
def test_malformed_metadata_is_refused_where_the_method_is_loaded(
    tmp_path: Path, declared: str, message: str
) -> None:
    with pytest.raises(RequestError, match=re.escape(message)):
        load_plugin(plugin(tmp_path, DECLARED.replace("{}", declared)))
