"""The process that :func:`crossbench.execution.isolation.call` starts."""

from __future__ import annotations

import importlib
import json
import os
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError
from crossbench.execution.attempts import put_back
from crossbench.execution.isolation import end_with_parent, private_stdin

if TYPE_CHECKING:
    from typing import TextIO


def main() -> None:
    """Read what to do from standard input, do it, and write the answer to standard output."""
    asked = private_stdin()
    request = json.loads(asked.readline())
    end_with_parent(asked, before=put_back)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)  # what the work prints must not mix with the answer
        _answer(request, answer)


def _answer(request: dict[str, Any], answer: TextIO) -> None:
    module, _, name = request["work"].partition(":")
    try:
        reply = getattr(importlib.import_module(module), name)(**request["arguments"])
    except CrossbenchError as error:
        json.dump({"error": str(error)}, answer)
    else:
        json.dump({"reply": reply}, answer, allow_nan=False)


if __name__ == "__main__":
    main()
