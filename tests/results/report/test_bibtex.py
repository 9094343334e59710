from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from crossbench.results.report.bibtex import AUTHORS, TITLE, bibtex

ROOT = Path(__file__).resolve().parents[3]


def test_the_suite_is_cited_as_its_citation_file_says(record: Any) -> None:
    said = (ROOT / "CITATION.cff").read_text()
    assert f'title: "{TITLE}"' in said
    assert all(f"- name: {name}" in said for name in AUTHORS)
    assert bibtex([record()]).startswith("@software{crossbench,")


def test_methods_are_cited_by_their_metadata(record: Any) -> None:
    metadata = {"authors": ["Ada & Co", "Bo"], "paper": "On kernels, arXiv:2411.02441"}
    origin = {"distribution": "mine", "version": "1", "metadata": metadata | {"licence": "MIT"}}
    entry = bibtex([record("crossd", provenance={"method": origin})]).split("\n\n")[1]
    assert entry.splitlines() == [
        "@misc{method-crossd,",
        "  title = {The method crossd},",
        "  author = {{Ada \\& Co} and {Bo}},",
        "  howpublished = {On kernels, arXiv:2411.02441},",
        "  url = {https://arxiv.org/abs/2411.02441},",
        "  note = {mine 1, licence MIT},",
        "}",
    ]


def test_tasks_are_cited_by_their_cards_and_plain_baselines_are_not(record: Any) -> None:
    said = bibtex([record("majority", "blood"), record("crossd", "of-my-own")])
    assert "doi:10.1038/s41597-022-01721-8" in said
    assert "@misc{task-of-my-own,\n  title = {The task of-my-own},\n}" in said
    assert "method-majority" not in said


def test_both_tasks_are_cited_where_one_was_fitted_on_the_other(record: Any) -> None:
    said = bibtex([record("crossd", "blood.from.derma"), record("crossd", "blood")])
    entries = [entry.partition(",")[0] for entry in said.split("\n\n")]
    assert entries[2:] == ["@misc{task-blood", "@misc{task-derma"]


def test_what_a_name_holds_breaks_no_entry(record: Any) -> None:
    said = bibtex([record("crossd:temp=2", "a}b{c\\input")])
    assert "@misc{method-crossd-temp-2," in said
    task = said.split("\n\n")[-1]
    assert task.splitlines()[0] == "@misc{task-a-b-c-input,"
    bare = re.sub(r"\\[{}]|\\textbackslash\{\}", "", task)
    assert bare.count("{") == bare.count("}")
