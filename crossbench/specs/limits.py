"""Numbers within limits, with the words that an error has for them."""

from __future__ import annotations

import sys
from typing import Annotated

from msgspec import Meta

#: Upper bounds on counts: far above any use, and low enough that nothing hangs or runs out of
#: memory before it can say why.
MOST_THREADS = 1024
MOST_EPOCHS = 100_000
MOST_SEEDS = MOST_FOLDS = 1000

_LARGEST = sys.float_info.max  # no infinity, which TOML has

Count = Annotated[int, Meta(ge=1, description="at least 1")]
Epochs = Annotated[int, Meta(ge=1, le=MOST_EPOCHS, description=f"from 1 to {MOST_EPOCHS}")]
Threads = Annotated[int, Meta(ge=0, le=MOST_THREADS, description=f"from 0 to {MOST_THREADS}")]
Share = Annotated[float, Meta(gt=0, lt=1, description="a share between 0 and 1")]
Positive = Annotated[float, Meta(gt=0, le=_LARGEST, description="a positive number")]
Decay = Annotated[float, Meta(ge=0, le=_LARGEST, description="a number of at least 0")]
Seed = Annotated[int, Meta(ge=0, lt=2**32, description="from 0, below 2**32")]
