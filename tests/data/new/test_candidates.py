"""Classes, and what is said of groups."""

from __future__ import annotations

import re

import pytest

from crossbench.data.new.candidates import (
    Candidate,
    Candidates,
    classes_of,
    grouped_by_name,
    labelled_by_name,
    remarks_on_classes,
    remarks_on_groups,
)
from crossbench.errors import DataError, RequestError


def labelled(*labels: str) -> list[Candidate]:
    return [Candidate(file=f"{n}.png", id=str(n), label=label) for n, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("labels", "names", "codes"),
    [
        (["b", "a", "b", "a"], ("a", "b"), [1, 0, 1, 0]),
        (["10", "9", "9", "10"], ("9", "10"), [1, 0, 0, 1]),
        (["1.0", "0", "1", "0.0"], ("0", "1"), [1, 0, 1, 0]),
        (["Benign", "benign", " Benign ", "x"], ("Benign", "x"), [0, 0, 0, 1]),
    ],
)
def test_spellings_of_a_class_are_one(
    labels: list[str], names: tuple[str, ...], codes: list[int]
) -> None:
    found, index = classes_of(labelled(*labels))
    assert found == names
    assert [index[label.strip()] for label in labels] == codes
    said = [remark.shown for remark in remarks_on_classes(labelled(*labels))]
    assert [("Benign, benign" in each or "1, 1.0" in each) for each in said] == [True] * len(said)
    assert bool(said) == (len(set(map(str.strip, labels))) > len(names))


def test_what_are_no_classes_is_refused() -> None:
    with pytest.raises(DataError, match=r"all 3 samples are of one class \('a'\); two or more"):
        classes_of(labelled("a", "a", "A"))
    with pytest.raises(
        DataError, match=r"6 samples have 4 different labels \(a, b, c, d, \.\.\.\)"
    ):
        classes_of(labelled(*"abcdab"))


def test_names_tell_groups_and_classes() -> None:
    names = ["d/person12_virus_3.png", "d/IM-0115-1.png", "d/person7_bacteria_1.png"]
    pattern = re.compile(r"(person\d+)|(IM-\d+)")
    found = Candidates(samples=tuple(Candidate(file=each, id=each, label="a") for each in names))
    groups = [sample.group for sample in grouped_by_name(found, pattern).samples]
    assert groups == ["person12", "IM-0115", "person7"]
    with pytest.raises(RequestError, match=r"finds nothing in 1 of 3 names, such as 'IM-0115-1\.p"):
        grouped_by_name(found, re.compile(r"person\d+"))
    kinds = labelled_by_name(names, re.compile("virus|bacteria"))
    assert [sample.label for sample in kinds.samples] == ["virus", "bacteria"]
    assert kinds.remarks[1].shown == (
        "1 file left out: the pattern finds no class in the name: d/IM-0115-1.png"
    )
    with pytest.raises(RequestError, match="finds nothing in any of 3 names"):
        labelled_by_name(names, re.compile("fungus"))


def test_groups_across_classes_and_parts_are_said() -> None:
    rows = [("a", "P1", 0), ("b", "p1 ", 0), ("a", "P2", 0), ("a", "P2", 2), ("b", "", 2)]
    samples = [
        Candidate(file=str(n), id=str(n), label=label, group=group, part=part)
        for n, (label, group, part) in enumerate(rows)
    ]
    assert [remark.shown for remark in remarks_on_groups(samples)] == [
        "1 sample without a group: each is one of its own",
        "1 group has samples of several classes, which is kept: p1 ",
        "1 group lies in several parts of the given split: it leaks: P2",
    ]
