"""What to cite: the suite, the methods and the tasks of some runs, as BibTeX."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING

from crossbench.registry.tasks import registered_task
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.report.render import escape_latex
from crossbench.specs.cross import task_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossbench.specs import RunRecord

#: As CITATION.cff has them.
TITLE = "crossbench: a benchmark for convolutions that carry 2D knowledge into 3D medical images"
AUTHORS = ("The crossbench developers",)


def bibtex(records: Sequence[RunRecord]) -> str:
    """An entry for the suite, then one a method and one a task, in the order of their names.

    A method's entry holds what its records say of authors, paper, address and licence, a task's
    the reference on its card; a name that neither has more of is cited by itself.
    """
    latest = {record.key.method: record for record in records if not record.key.plain}
    suite = {"title": TITLE, "author": _people(AUTHORS), "note": f"Version {version('crossbench')}"}
    entries = [_entry("software", "crossbench", suite)]
    entries += [_method(name, latest[name]) for name in sorted(latest)]
    tasks = {name for record in records for name in task_names(record.key.task)}
    entries += [_task(name) for name in sorted(tasks)]
    return "\n\n".join(entries)


def _method(name: str, record: RunRecord) -> str:
    origin = MethodOrigin.of(record)
    said = origin.metadata
    package = " ".join(filter(None, [origin.distribution, origin.version]))
    licence = f"licence {said.licence}" if said.licence else ""
    fields = {
        "title": f"The method {name}",
        "author": _people(said.authors),
        "howpublished": said.paper,
        "url": said.paper_url or said.url,
        "note": ", ".join(filter(None, [origin.summary.rstrip("."), package, licence])),
    }
    return _entry("misc", f"method-{name}", fields)


def _task(name: str) -> str:
    card = registered_task(name)
    fields = {"title": f"The task {name}"}
    if card is not None:
        fields = {
            "title": card.title,
            "howpublished": " ".join(card.citation.split()),
            "url": card.homepage or "",
            "note": f"Task {name} of crossbench, version {card.version}",
        }
    return _entry("misc", f"task-{name}", fields)


def _people(names: Sequence[str]) -> str:
    """Names that BibTeX is not to take apart."""
    return " and ".join(f"{{{escape_latex(name)}}}" for name in names)


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{_value(name, text)}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind}{{{re.sub(r'[^A-Za-z0-9.+-]+', '-', key)},", *lines, "}"])


def _value(name: str, text: str) -> str:
    if name == "author":
        return text
    if name == "url":
        return text.replace("{", "%7B").replace("}", "%7D")
    return escape_latex(text)
