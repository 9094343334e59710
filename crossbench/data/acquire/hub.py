"""Fetch a file of a dataset repository of the Hugging Face Hub.

huggingface_hub resumes, retries and verifies by itself, and reads ``HF_ENDPOINT``, ``HF_TOKEN``,
``HF_HUB_OFFLINE`` and the proxies of the environment.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import FetchError
from crossbench.files.atomic import rename
from crossbench.files.sizes import no_room

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.data.acquire.listening import Listener
    from crossbench.data.acquire.wanted import Wanted
    from crossbench.specs.origins import HubOrigin

#: Folder beside the target in which the hub's client keeps what it has so far.
WORK = ".hub"


def fetch_from_hub(
    origin: HubOrigin, file: Wanted, *, listener: Listener, free: Callable[[Path], int]
) -> str:
    """Bring a file to its partial place; the commit that it is of.

    Raises:
        FetchError: If it cannot be had, or the disk has too little room.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    endpoint = os.environ.get("HF_ENDPOINT") or None
    place = {"repo_type": "dataset", "revision": origin.revision or "main"}
    work = file.target.parent / WORK
    work.mkdir(parents=True, exist_ok=True)
    try:
        url = hf_hub_url(origin.repo, origin.file, endpoint=endpoint, **place)
        about = get_hf_file_metadata(url, endpoint=endpoint)
        _check(file, about.size, free)
        listener.begun(file.target.name, 0, about.size)
        got = hf_hub_download(
            origin.repo,
            origin.file,
            local_dir=work,
            endpoint=endpoint,
            repo_type="dataset",
            revision=about.commit_hash or place["revision"],
        )
    except FetchError:
        raise
    except Exception as error:
        cause = error.__cause__ or error  # what failed, where the hub's words are general
        reason = textwrap.shorten(f"{type(cause).__name__}: {cause}", 240)
        msg = f"{origin.file} of dataset {origin.repo} cannot be fetched from Hugging Face"
        msg = f"{msg} ({reason}); run the same command later, set HF_ENDPOINT to a mirror, or save"
        raise FetchError(f"{msg} the file in {file.target.parent}") from error
    rename(Path(got), file.target.with_name(f".{file.target.name}.part"))
    shutil.rmtree(work, ignore_errors=True)
    listener.advanced(about.size or 0)
    return about.commit_hash or ""


def _check(file: Wanted, size: int | None, free: Callable[[Path], int]) -> None:
    name, folder = file.target.name, file.target.parent
    stated = file.source.bytes
    if None not in (size, stated) and size != stated:
        raise FetchError(f"{name}: the Hub has {size} bytes, but the card says {stated}")
    if size is not None and size > free(folder):
        said = no_room(folder, name, size, free(folder))
        raise FetchError(f"{said} --data-dir or $CROSSBENCH_DATA")
