"""One bounded HTTP request to a service that anchors: so many bytes, so many seconds, no more.

urllib's own limit is on each read, so an answer that trickles in is ended by a deadline of ours. The certificate of an
https address is checked as Python does; what is answered is believed for its signature alone.
"""

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO

from audit.errors import EnvironmentFailed

__all__ = ["Answer", "fetch"]

TIMEOUT_SECONDS = 20.0
MOST_BYTES = 256 * 1024
_PIECE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, media type and body of what a service answered."""

    status: int
    media_type: str
    body: bytes


def fetch(
    url: str,
    body: bytes | None = None,
    media_type: str = "text/plain; charset=utf-8",
    *,
    timeout: float = TIMEOUT_SECONDS,
) -> Answer:
    """POST a body to an address (GET without one), and give the whole answer, whatever its status.

    Raises `EnvironmentFailed` where none comes in `timeout` seconds. Redirections are not followed: an anchor is where
    it was said to be.
    """
    headers = {"Content-Type": media_type} if body is not None else {}
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the scheme is checked when read
    ends = time.monotonic() + timeout
    try:
        try:
            response = _opener().open(request, timeout=timeout)
        except urllib.error.HTTPError as refused:
            response = refused
        with response:
            data = _read(response, ends, url)
            promised = response.headers.get("Content-Length", "")
            if promised.isdecimal() and len(data) < int(promised):
                raise EnvironmentFailed(f"{url} does not answer to the end: try again later")
            return Answer(response.status, response.headers.get_content_type(), data)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise EnvironmentFailed(f"{url} does not answer ({reason}): try again later") from None


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_Stay)


def _read(response: IO[bytes], ends: float, url: str) -> bytes:
    data = b""
    while piece := response.read(_PIECE):
        data += piece
        if len(data) > MOST_BYTES:
            raise EnvironmentFailed(f"{url} answers with more than {MOST_BYTES:,} bytes: it was cut off")
        if time.monotonic() > ends:
            raise EnvironmentFailed(f"{url} takes too long to answer: it was cut off, try again later")
    return data
