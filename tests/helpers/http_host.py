"""A server on loopback that has files, and misbehaves as hosts of data do."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Host:
    """What a server has and how it answers.

    Attributes:
        files: Content by path, without the query.
        ranges: Whether ``Range`` is heeded.
        validators: Whether answers have an ETag.
        breaks: Numbers of bytes after which the next answers' connections break.
        failures: Status and ``Retry-After`` of the next answers.
        moved: Path to redirect to, by path.
        content_type: Of all answers.
        slow: Seconds to wait before each 64 kB.
        headers: Of all answers.
        asked: Each request's path and ``Range``.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    validators: bool = True
    breaks: list[int] = field(default_factory=list)
    failures: list[tuple[int, str | None]] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    slow: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """Serve while the context lasts; the address is in ``host.url``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(host))
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(host: Host) -> type[BaseHTTPRequestHandler]:  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            path, wanted = self.path.partition("?")[0], self.headers.get("Range")
            host.asked.append((path, wanted))
            if host.failures:
                status, after = host.failures.pop(0)
                self._head(status, 0, {"Retry-After": after} if after is not None else {})
            elif path in host.moved:
                self._head(302, 0, {"Location": host.moved[path]})
            elif path not in host.files:
                self._head(404, 0, {})
            else:
                self._send(host.files[path], wanted)

        def do_HEAD(self) -> None:
            content = host.files.get(self.path.partition("?")[0])
            etag = {"ETag": f'"{hashlib.md5(content or b"").hexdigest()}"'}
            self._head(404 if content is None else 200, len(content or b""), etag)

        def _send(self, content: bytes, wanted: str | None) -> None:
            etag = f'"{hashlib.md5(content).hexdigest()}"'
            headers = {"ETag": etag} if host.validators else {}
            start, held = 0, self.headers.get("If-Range")
            if wanted and host.ranges and held in (None, etag):
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self._head(416, 0, {"Content-Range": f"bytes */{len(content)}"})
                    return
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._head(206 if "Content-Range" in headers else 200, len(content) - start, headers)
            end = start + host.breaks.pop(0) if host.breaks else len(content)
            self._body(content[start:end], cut=end < len(content))

        def _body(self, content: bytes, *, cut: bool) -> None:
            pause = threading.Event()
            try:
                for place in range(0, len(content), 1 << 16):
                    if host.slow:
                        pause.wait(host.slow)
                    self.wfile.write(content[place : place + (1 << 16)])
            except OSError:  # the client was killed
                cut = True
            self.close_connection = self.close_connection or cut

        def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", host.content_type)
            self.send_header("Content-Length", str(length))
            for name, value in (host.headers | headers).items():
                self.send_header(name, value)
            self.end_headers()

    return Handler
