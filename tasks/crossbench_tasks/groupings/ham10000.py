"""HAM10000: lesions of DermaMNIST's samples, and duplicates across them.

Source:
    Tschandl et al., Scientific Data 5:180161 (2018); Abhishek et al., Scientific Data 12:196
    (2025), whose tables of the split and of newly discovered duplicates are read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.data.clusters import clusters, sharing
from crossbench.data.groups.interface import Grouped, Grouping, looked_up
from crossbench.errors import DataError
from crossbench_tasks.groupings.medmnist import INDEX, flag_of, original_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.data.formats.tables import Table
    from crossbench.data.groups.interface import Samples
    from crossbench.specs import TaskCard

_REPOSITORY = "https://github.com/kakumarabhishek/Corrected-Skin-Image-Datasets"

# Each table: its columns, its name and its source.
_INDEX = (
    ("split", "index", "image_id"),
    "dermamnist_split_info.csv",
    f"{_REPOSITORY} (DermaMNIST/DermaMNIST_Analysis), or dermamnist.csv from {INDEX}",
)
_LESIONS = (
    ("lesion_id", "image_id"),
    "HAM10000_metadata.csv",
    "https://doi.org/10.7910/DVN/DBW86T (HAM10000_metadata, saved as CSV)",
)
_DUPLICATES = (
    ("from_img", "to_img"),
    "newly_discovered_duplicates.csv",
    f"{_REPOSITORY} (DermaMNIST/HAM10000_DuplicateConfirmation/AnalysesOutputFiles)",
)
_TABLES = (_INDEX, _LESIONS, _DUPLICATES)


class Ham10000(Grouping):
    """Lesions of HAM10000, those joined of which duplicates were published."""

    name = "ham10000"

    def applies(self, card: TaskCard) -> bool:
        """Whether the card's file is DermaMNIST, in any size."""
        return flag_of(card) == "dermamnist"

    def steps(self, card: TaskCard) -> tuple[str, ...]:
        """The three tables with their sources."""
        named = [f"Get {name} from {source}." for _, name, source in _TABLES]
        names = " ".join(name for _, name, _ in _TABLES)
        return (*named, f"crossbench data groups {card.name} --from {names}")

    def wants(self, tables: Sequence[Table]) -> bool:
        """Whether one of the tables is of DermaMNIST."""
        return any(table.has(*columns) for table in tables for columns, *_ in _TABLES)

    def of_tables(
        self,
        card: TaskCard,  # noqa: ARG002
        samples: Samples,
        tables: Sequence[Table],
    ) -> Grouped:
        """Clusters of samples that share a lesion or a published duplicate."""
        index, lesions, duplicates = (_only(tables, *each) for each in _TABLES)
        names = tuple(map(_bare, original_names(index, samples)))
        columns = (lesions.columns[name] for name in ("image_id", "lesion_id"))
        known = {_bare(image): lesion for image, lesion in zip(*columns, strict=True)}
        own = looked_up(names, known, table=lesions.file, what="image_id")
        place = {name: number for number, name in enumerate(names)}
        ends = (map(_bare, duplicates.columns[name]) for name in ("from_img", "to_img"))
        pairs = [pair for pair in zip(*ends, strict=True) if set(pair) <= place.keys()]
        things = [[lesion] for lesion in own]
        for number, pair in enumerate(pairs):
            for image in pair:
                things[place[image]].append(f"duplicate {number}")
        codes = clusters(samples.count, sharing(things)).tolist()
        first = dict(zip(reversed(codes), reversed(own), strict=True))
        count = len(set(own))
        note = f"{count:,} lesions, {count - len(first):,} of them joined to others by"
        return Grouped(
            groups=tuple(first[code] for code in codes),
            source="lesions of HAM10000 and published duplicates",
            notes=(f"{note} {len(pairs):,} of {len(duplicates):,} published duplicates",),
        )


def _only(tables: Sequence[Table], columns: tuple[str, ...], name: str, source: str) -> Table:
    """The one table with some columns."""
    found = [table for table in tables if table.has(*columns)]
    if len(found) == 1:
        return found[0]
    if found:
        both = " and ".join(str(table.file) for table in found)
        raise DataError(f"{both} both have columns {', '.join(columns)}; give one of them")
    given = ", ".join(table.file.name for table in tables)
    msg = f"groups need {name} (columns {', '.join(columns)}) too, beside {given}; get it from"
    raise DataError(f"{msg} {source}")


def _bare(image: str) -> str:
    return image.removesuffix(".jpg")
