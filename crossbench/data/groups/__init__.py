"""Groups that are joined to a data file after it was made, without a copy of it.

What holds for all tables is here; each publisher's style is a module of a package that registers
it.
"""

from crossbench.data.formats.tables import Table, read_tables
from crossbench.data.groups.interface import Grouped, Grouping, Samples, groupings
from crossbench.data.groups.join import Joined, from_copies, from_ids, from_tables, remedies

__all__ = [
    "Grouped",
    "Grouping",
    "Joined",
    "Samples",
    "Table",
    "from_copies",
    "from_ids",
    "from_tables",
    "groupings",
    "read_tables",
    "remedies",
]
