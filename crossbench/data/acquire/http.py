"""Download by HTTP, going on where a broken connection or an ended process left off.

What pooch's downloaders lack is here: ranges, retries and a look at the disk.
"""

from __future__ import annotations

import errno
import re
import socket
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import requests
from requests import exceptions

from crossbench.data.acquire.listening import Listener
from crossbench.data.acquire.partial import Facts, Partial
from crossbench.errors import FetchError
from crossbench.files.sizes import free_bytes, no_room

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHUNK = 1 << 16  # what a broken connection loses at most
_TIMEOUT = (20.0, 60.0)  # seconds to connect, and between two packets
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_PASSING = (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_WHOLE = re.compile(r"bytes \*/(\d+)")
_ELSEWHERE = "--data-dir or $CROSSBENCH_DATA"
_WHY = {
    401: "the server wants an account",
    403: "the server refuses it to programs, or to this network",
    404: "nothing is there any more",
    410: "it was withdrawn",
}


@dataclass(frozen=True, kw_only=True)
class Patience:
    """Limits of retrying a server that fails.

    Attributes:
        attempts: Attempts in a row that bring no new byte.
        unreached: Such attempts where the host has not answered yet and its name or network is
            not found, as on a machine that is offline.
        first: Seconds before the second attempt; they double from one to the next.
        longest: Seconds between two attempts at most.
        asked: Seconds that a server may ask for by ``Retry-After``; where it asks for more, the
            fetch ends and says so.
    """

    attempts: int = 6
    unreached: int = 2
    first: float = 1.0
    longest: float = 60.0
    asked: float = 300.0


_NOWHERE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}


class _AgainError(Exception):
    """A failure that may pass."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class ResumingDownloader:
    """A download whose partial file grows over several attempts and processes.

    Args:
        target: The file to be; bytes go to the hidden partial file beside it.
        size: Number of bytes, where it is known; a server that announces another is refused.
        checked: Whether a checksum will tell, so that a server without validators may be asked
            for the rest.
        listener: Told of progress.
        patience: How long a server that fails is asked again.
        free: Bytes that a folder's disk has room for.

    Attributes:
        resumed: Whether the file was put together from more than one answer.
    """

    def __init__(
        self,
        target: Path,
        *,
        size: int | None = None,
        checked: bool = False,
        listener: Listener | None = None,
        patience: Patience | None = None,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.partial = Partial(target)
        self.resumed = False
        self._size, self._checked, self._free = size, checked, free
        self._listener = listener or Listener()
        self._patience = patience or Patience()
        self._answered = False

    def __call__(self, url: str) -> None:
        """Fetch what is not there yet of a file.

        Raises:
            FetchError: If it cannot be had, with the address, the answer and the remedy.
        """
        best, tries, patience = self.partial.size, 0, self._patience
        while True:
            try:
                self._attempt(url)
            except _AgainError as error:
                tries = 1 if self.partial.size > best else tries + 1
                best = max(best, self.partial.size)
                self._end_where_offline(url, error, tries)
                if tries >= patience.attempts:
                    msg = f"{url}: {error}, {tries} times in a row; what has come is kept"
                    raise FetchError(f"{msg}: run the same command later") from error
                self._wait(url, error, tries)
            else:
                return

    def _end_where_offline(self, url: str, error: _AgainError, tries: int) -> None:
        if self._answered or tries < self._patience.unreached or not _is_nowhere(error):
            return
        target = self.partial.target
        msg = f"{url}: {error}; go online, set HTTPS_PROXY or --mirror where a firewall is between"
        raise FetchError(f"{msg}, or save the file as {target}") from error

    def _wait(self, url: str, error: _AgainError, tries: int) -> None:
        patience = self._patience
        if error.after is not None and error.after > patience.asked:
            minutes = error.after / 60
            msg = f"{url}: {error}, and the server asks to wait {minutes:.0f} min; what has come"
            raise FetchError(f"{msg} is kept: run the same command then") from error
        seconds = min(patience.first * 2 ** (tries - 1), patience.longest)
        seconds = max(seconds, error.after or 0.0)
        self._listener.said(f"{url}: {error}; again in {seconds:.0f} s")
        time.sleep(seconds)

    def _attempt(self, url: str) -> None:
        """One request, from the first byte that is not there."""
        self.partial.file.parent.mkdir(parents=True, exist_ok=True)
        known, have = self.partial.recall(), self.partial.size
        if have and (known is None or known.url != url or not (known.validator or self._checked)):
            have = 0
        headers = {"Accept-Encoding": "identity", "User-Agent": "crossbench"}
        if have and known is not None:
            headers["Range"] = f"bytes={have}-"
            headers |= {"If-Range": known.validator} if known.validator else {}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
                self._receive(url, response, known, have)
        except exceptions.SSLError as error:
            msg = f"{url}: the server's certificate is not trusted ({_cause(error)}); behind a"
            raise FetchError(
                f"{msg} firewall, set REQUESTS_CA_BUNDLE to its certificate"
            ) from error
        except _PASSING as error:
            raise _AgainError(f"the connection failed ({_cause(error)})") from error
        except exceptions.RequestException as error:
            raise FetchError(f"{url}: cannot be asked for ({_cause(error)})") from error

    def _receive(
        self, url: str, response: requests.Response, known: Facts | None, have: int
    ) -> None:
        self._answered = True
        status = response.status_code
        if status == 416 and have:
            whole = _WHOLE.fullmatch(response.headers.get("Content-Range", ""))
            if whole is not None and int(whole[1]) == have:
                return
            self.partial.discard()
            raise _AgainError("the file has changed")
        if status in _TRANSIENT:
            raise _AgainError(f"the server answers {status}", _retry_after(response))
        if status not in (200, 206):
            why = _WHY.get(status, "it is not there for the asking")
            msg = f"{url}: the server answers {status} ({why}); get {self.partial.target.name} by"
            raise FetchError(f"{msg} hand and save it in {self.partial.target.parent}")
        facts, start = _facts(url, response), 0
        if status == 206:
            start = _start(response)
            if start != have or known is None or not _continues(known, facts):
                self.partial.discard()
                raise _AgainError("the file has changed")
        self._refuse(url, response, facts, start)
        self._write(response, facts, start)

    def _refuse(self, url: str, response: requests.Response, facts: Facts, start: int) -> None:
        """Refuse what is not the file, or has no room."""
        target = self.partial.target
        if response.headers.get("Content-Type", "").startswith("text/html"):
            msg = f"{url}: the server answers with a web page instead of {target.name}, as for a"
            raise FetchError(f"{msg} login; get it by hand and save it in {target.parent}")
        if None not in (facts.total, self._size) and facts.total != self._size:
            msg = f"{url}: the server announces {facts.total} bytes, but the card says"
            raise FetchError(f"{msg} {self._size}; the file is another one")
        total = facts.total if facts.total is not None else self._size
        need, room = (total or 0) - start, self._free(target.parent)
        if need > room:
            raise FetchError(f"{no_room(target.parent, target.name, need, room)} {_ELSEWHERE}")

    def _write(self, response: requests.Response, facts: Facts, start: int) -> None:
        partial = self.partial
        if start == 0:
            partial.file.unlink(missing_ok=True)
            partial.note(facts)
        self.resumed = start > 0
        total = facts.total if facts.total is not None else self._size
        self._listener.begun(partial.target.name, start, total)
        try:
            with partial.file.open("ab") as stream:
                for chunk in response.iter_content(_CHUNK):
                    stream.write(chunk)
                    self._listener.advanced(len(chunk))
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                folder, need = partial.target.parent, (total or 0) - partial.size
                said = no_room(folder, partial.target.name, need, self._free(folder))
                raise FetchError(f"{said} {_ELSEWHERE}") from error
            raise
        if total is not None and partial.size != total:
            if partial.size > total:
                partial.discard()
            raise _AgainError(f"the connection ended after {partial.size} of {total} bytes")


def _facts(url: str, response: requests.Response) -> Facts:
    headers = response.headers
    etag = headers.get("ETag", "")
    encoded = headers.get("Content-Encoding", "identity") != "identity"
    length, part = headers.get("Content-Length", ""), headers.get("Content-Range", "")
    match = _RANGE.fullmatch(part)
    text = match[3] if match is not None else length
    return Facts(
        url=url,
        etag="" if etag.startswith("W/") else etag,
        modified=headers.get("Last-Modified", ""),
        total=int(text) if text.isdigit() and not encoded else None,
    )


def _start(response: requests.Response) -> int:
    """First byte of a partial answer."""
    match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[1]) if match is not None else -1


def _continues(known: Facts, now: Facts) -> bool:
    """Whether nothing contradicts that an answer is of the file that was begun."""
    pairs = ((known.etag, now.etag), (known.modified, now.modified), (known.total, now.total))
    return all(before == after for before, after in pairs if before and after)


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that a server asks to wait, by number or date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _is_nowhere(error: BaseException) -> bool:
    """Whether a host's name or network is not found, rather than the host in trouble."""
    first = _first(error)
    return isinstance(first, socket.gaierror) or getattr(first, "errno", None) in _NOWHERE


def _cause(error: BaseException) -> str:
    """Message of the failure that came first, on one line."""
    error = _first(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def _first(error: BaseException) -> BaseException:
    """The failure that led to an error."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return error
