"""Identifiers of originals that tell who they are of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossbench.data.groups.interface import Grouped, Grouping

if TYPE_CHECKING:
    from crossbench.data.groups.interface import Samples
    from crossbench.specs import TaskCard

# A pattern of the whole identifier, whose group is the group, and what that is.
_STYLES = (
    (re.compile(r"(?:.*/)?bus_(\d{4})-[lrs](?:\.png)?"), "BUS-BRA's cases"),
    (
        re.compile(r"(?:.*/)?(IXI\d{3})(?:-(?:Guys|HH|IOP)-\d{4})?(?:-\w+)*(?:\.nii\.gz)?"),
        "IXI ids",
    ),
    (re.compile(r"(?:.*/)?(?:BraTS2021_)?(\d{5})"), "BraTS21 ids"),
    (re.compile(r"(?:.*/)?(study_\d{4})(?:\.nii(?:\.gz)?)?"), "studies of MosMedData"),
)


class OriginalIds(Grouping):
    """BUS-BRA, IXI, BraTS21 and MosMedData: the number in an identifier is a patient's."""

    name = "original-ids"

    def applies(self, card: TaskCard) -> bool:  # noqa: ARG002
        """No task by itself: identifiers tell."""
        return False

    def steps(self, card: TaskCard) -> tuple[str, ...]:  # noqa: ARG002
        """None."""
        return ()

    def of_ids(self, card: TaskCard, samples: Samples) -> Grouped | None:  # noqa: ARG002
        """Groups where every identifier is of one style."""
        for pattern, what in _STYLES:
            matches = [pattern.fullmatch(each) for each in samples.ids or ()]
            if matches and all(matches):
                groups = tuple(match[1] for match in matches if match)
                return Grouped(groups=groups, source=what)
        return None
