"""The HTTP around a witness: C2SP tlog-witness, ``add-checkpoint`` and the last cosigned checkpoint of each log.

::

    POST /add-checkpoint             200 and the cosignature; 400, 403, 404, 409, 422 as the protocol says
    GET /<SHA-256 of the origin>/checkpoint

Rules:

- A request has a length, of at most 64 KB (411, 413), and is there whole within 10 seconds, however it trickles in. A
  connection carries requests for a minute; 32 are open at a time, and one more is closed at once.
- For every request there is one line in the log, with what was asked and what was answered.
- There is no authentication but the log's signature, as the protocol has it. TLS is a proxy's in front of this.
- SIGTERM and SIGINT end the service once nothing is being written.
"""

import io
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from audit.errors import EnvironmentFailed, MalformedInput
from audit.post import Answer
from audit.witness_service import Witness

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["WitnessServer", "parse_listen"]

MOST_BYTES = 64 * 1024
SECONDS = 10.0
CONNECTION_SECONDS = 60.0
AT_A_TIME = 32
_LISTEN = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]*)):([0-9]{1,5})")
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")
_TEXT = "text/plain"


def parse_listen(text: str) -> tuple[str, int]:
    """Read HOST:PORT (or [IPv6]:PORT); port 0 takes a free one."""
    found = _LISTEN.fullmatch(text)
    if found is None or int(found[3]) > 65_535:
        raise MalformedInput(f"{text!r} is not HOST:PORT, such as 127.0.0.1:8123")
    return found[1] or found[2] or "127.0.0.1", int(found[3])


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness until it is told to stop."""

    daemon_threads = True  # what they remember is on disk before they answer, so none is waited for

    def __init__(self, address: tuple[str, int], witness: Witness, log: Callable[[str], None]) -> None:
        """Listen at an address; `EnvironmentFailed` where that cannot be."""
        self.witness, self.log = witness, log
        self._places = threading.BoundedSemaphore(AT_A_TIME)
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            raise EnvironmentFailed(
                f"the witness cannot listen at {address[0]}:{address[1]}: {error.strerror or error}"
            ) from None

    @property
    def url(self) -> str:
        """The prefix of its addresses."""
        host, port = self.server_address[0], self.server_address[1]
        named = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{named}:{port}/"

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""

        def stop(*_: object) -> None:
            # shutdown waits for the loop below, which runs in this thread.
            threading.Thread(target=self.shutdown).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self.server_close()
            self.witness.close()

    def process_request(self, request: object, client_address: object) -> None:
        """Serve a connection in a thread, if there is a place for it."""
        if not self._places.acquire(blocking=False):
            self.log(f"{_now()} too many connections at a time: one was closed")
            self.shutdown_request(request)  # type: ignore[arg-type]
            return
        try:
            super().process_request(request, client_address)  # type: ignore[arg-type]
        except BaseException:
            self._places.release()  # no thread began that would
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve a connection, and give its place back."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log a connection that broke off."""
        self.log(f"{_now()} {_host(client_address)} the connection broke off")


class _Reader(io.RawIOBase):
    """Reads from a connection until a time: a limit on each read is none on a request that comes byte by byte."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self._connection = connection
        self.ends = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: WitnessServer
    protocol_version = "HTTP/1.1"
    server_version = "affidavit-witness"
    sys_version = ""

    def setup(self) -> None:
        """Read with a limit on each whole request."""
        super().setup()
        self.rfile.close()
        self._closes = time.monotonic() + CONNECTION_SECONDS
        self._reader = _Reader(self.connection)
        self.rfile = io.BufferedReader(self._reader)

    def handle_one_request(self) -> None:
        """Serve the next request, if it comes in time."""
        self._reader.ends = time.monotonic() + SECONDS
        super().handle_one_request()

    def do_POST(self) -> None:
        """Answer add-checkpoint."""
        if self.path != "/add-checkpoint":
            self._refuse(404, "there is only /add-checkpoint to post to\n")
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            self._refuse(411, "a request says its length\n")
        elif len(length) > 9 or int(length) > MOST_BYTES:
            self._refuse(413, f"a request has at most {MOST_BYTES} bytes\n")
        else:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self.close_connection = True
                return
            self._answer(*self.server.witness.add_checkpoint(body))

    def do_GET(self) -> None:
        """Answer the last cosigned checkpoint of a log."""
        found = _CHECKPOINT.fullmatch(self.path)
        note = self.server.witness.checkpoint(found[1]) if found else None
        if note is None:
            self._answer(Answer(404, _TEXT, b"no checkpoint was cosigned for such a log\n"), "checkpoint")
        else:
            self._answer(Answer(200, "text/plain; charset=utf-8", note), "checkpoint")

    def _refuse(self, status: int, reason: str) -> None:
        # What follows on this connection was not read, so that it cannot be told where a next request begins.
        self.close_connection = True
        self._answer(Answer(status, _TEXT, reason.encode()), "refused unread")

    def _answer(self, answer: Answer, about: str) -> None:
        self.connection.settimeout(SECONDS)
        self.close_connection = self.close_connection or time.monotonic() >= self._closes
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
        said = "cosigned" if answer.status == 200 and self.command == "POST" else ""
        if answer.status >= 400:
            said = answer.body.decode("utf-8", "replace").strip()
        host = _host(self.client_address)
        self.server.log(f"{_now()} {host} {self.command} {about}: {answer.status} {said}".rstrip())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        """Log what the base class refuses by itself (an unreadable request line, an unknown method)."""
        if not args or not str(args[0]).startswith(("POST ", "GET ")):
            self.server.log(f"{_now()} {_host(self.client_address)} {format % args}")

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing here: `_answer` does, with what it was about."""


def _host(address: object) -> str:
    return str(address[0]) if isinstance(address, tuple) else "-"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
