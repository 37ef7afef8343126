"""A witness over HTTP, and as its operator runs it: in a process, which may be killed."""

import http.client
import json
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from audit import witness_server
from audit.anchor_settings import WitnessAt
from audit.cosignature import WitnessKey, cosignatures
from audit.errors import EnvironmentFailed, MalformedInput, NotVerified
from audit.merkle import leaf_hash, root
from audit.note import Note
from audit.post import fetch
from audit.witness import cosigned_by
from audit.witness_server import MOST_BYTES, WitnessServer, parse_listen
from audit.witness_service import Witness
from tests.command_line import COMMAND, clean_environment
from tests.small_witness import FORKED, KEY, LEAVES, LOGS, NAME, ORIGIN, note, proof, request

# -- over HTTP ---------------------------------------------------------------------------------------------------------


@contextmanager
def serving(witness: Witness, said: list[str]) -> Iterator[WitnessServer]:
    server = WitnessServer(("127.0.0.1", 0), witness, said.append)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def raw(server: WitnessServer, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def test_a_connection_carries_several_requests_each_with_its_line_in_the_log(witness: Witness) -> None:
    said: list[str] = []
    with serving(witness, said) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.server_address[1]), timeout=5)
        for body, expected in (
            (request(0, 5), 200),
            (b"junk", 400),
            (request(5, 9), 200),
            (request(5, 9), 409),
        ):
            connection.request("POST", "/add-checkpoint", body)
            response = connection.getresponse()
            assert (response.status, bool(response.read())) == (expected, True)
        connection.close()
    assert [re.sub(r"^\S+ 127.0.0.1 ", "", line) for line in said] == [
        f"POST {ORIGIN} 0 -> 5: 200 cosigned",
        "POST unreadable: 400 a request is an old size line, proof lines, an empty line and a checkpoint",
        f"POST {ORIGIN} 5 -> 9: 200 cosigned",
        f"POST {ORIGIN} 5 -> 9: 409 9",
    ]


def is_closed(connection: socket.socket) -> bool:
    """Send a byte, and say whether the other side has closed the connection; waits a moment for that."""
    connection.settimeout(0.05)
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def connected(server: WitnessServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server_address[1]), timeout=5)


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /add-checkpoint HTTP/1.1\r\nA: ",
        b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 60000\r\n\r\n",
    ],
)
def test_a_request_that_comes_byte_by_byte_is_ended_all_the_same(
    witness: Witness, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(witness_server, "SECONDS", 0.3)
    with serving(witness, []) as server, connected(server) as connection:
        connection.sendall(begun)
        assert any(is_closed(connection) for _ in range(60))


def test_a_connection_is_not_kept_for_ever_by_one_request_after_another(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "CONNECTION_SECONDS", 0)
    with serving(witness, []) as server, connected(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert b"\r\nConnection: close\r\n" in answer


def test_one_connection_more_than_there_are_places_is_closed_and_the_place_of_another_is_taken_again(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "AT_A_TIME", 3)
    said: list[str] = []
    with serving(witness, said) as server:
        held = [connected(server) for _ in range(3)]
        with connected(server) as connection:
            assert connection.recv(1) == b""
        assert ["too many connections" in line for line in said] == [True]
        for connection in held:
            connection.close()
        until = time.monotonic() + 30
        while not has_a_place(server):
            assert time.monotonic() < until
            time.sleep(0.01)


def has_a_place(server: WitnessServer) -> bool:
    """Say whether a request is answered: until the server has seen that connections were closed, it is not."""
    try:
        return fetch(f"{server.url}add-checkpoint", request(0, 5)).status == 200
    except EnvironmentFailed:
        return False


def test_the_last_cosigned_checkpoint_is_served_by_the_hash_of_its_origin(
    tmp_path: Path, witness: Witness
) -> None:
    with serving(witness, []) as server:
        witness.add_checkpoint(request(0, 5))
        [path] = (tmp_path / "state").glob("*.checkpoint")
        answer = fetch(f"{server.url}{path.stem}/checkpoint")
        none = fetch(f"{server.url}{'0' * 64}/checkpoint")
    kept = Note.parse(answer.body)
    assert kept.verify(LOGS[ORIGIN]) == LOGS[ORIGIN]
    assert len(cosignatures(kept.text, kept.signatures, [KEY])) == 1
    assert (answer.status, none.status) == (200, 404)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: -5\r\n\r\n", b"411"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % (MOST_BYTES + 1), b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 9999999999999\r\n\r\n", b"413"),
        (b"POST /add-checkpoint HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", b"411"),
        (b"POST /elsewhere HTTP/1.1\r\nContent-Length: 0\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"DELETE /add-checkpoint HTTP/1.1\r\n\r\n", b"501"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 50\r\n\r\ncut off", b""),
    ],
)  # fmt: skip
def test_a_request_that_is_not_one_is_refused_and_the_witness_goes_on(
    witness: Witness, head: bytes, expected: bytes
) -> None:
    with serving(witness, []) as server:
        assert expected in raw(server, head)
        assert fetch(f"{server.url}add-checkpoint", request(0, 5)).status == 200


@pytest.mark.parametrize("text", ["", "8123", "host", "host:99999", "a b:1", "::1:80", "http://host:80"])
def test_what_is_not_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(MalformedInput, match="is not HOST:PORT"):
        parse_listen(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [(":80", ("127.0.0.1", 80)), ("a.example:0", ("a.example", 0)), ("[::1]:80", ("::1", 80))],
)
def test_host_and_port_are_read(text: str, address: tuple[str, int]) -> None:
    assert parse_listen(text) == address


# -- as its operator runs it -------------------------------------------------------------------------------------------


class Running:
    """The command `affidavit witness serve`, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        folder.mkdir(exist_ok=True)
        (folder / "log.vkey").write_text(f"{LOGS[ORIGIN][0]}\n")
        self.key = WitnessKey.parse(self.typed("key", "create", NAME, "--state", "state").strip())

    def typed(self, *arguments: str) -> str:
        done = subprocess.run(
            [*COMMAND, "witness", *arguments],
            cwd=self.folder, env=clean_environment(), capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    def start(self) -> WitnessAt:
        arguments = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--key",
            NAME,
            "--state",
            "state",
            "--log",
            "log.vkey",
        ]
        self.process = subprocess.Popen(
            [*COMMAND, "witness", *arguments],
            cwd=self.folder, env=clean_environment(), stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        found = re.search(r"http://\S+", said)
        assert found is not None, said + self.process.stderr.read()
        return WitnessAt(found[0], self.key)

    def end(self, number: int) -> tuple[int, str]:
        assert self.process is not None
        assert self.process.stderr is not None
        self.process.send_signal(number)
        said = self.process.stderr.read()
        self.process.stderr.close()
        return self.process.wait(timeout=20), said


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path / "witness")
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGKILL)


def grow(at: WitnessAt, size: int, known: int, leaves: Sequence[bytes] = LEAVES) -> int:
    return cosigned_by(
        at, note(size, leaves), lambda old, new: proof(old, new, leaves), now=time.time(), known_size=known
    ).time


def test_a_witness_ends_cleanly_and_lists_what_it_remembers(running: Running) -> None:
    at = running.start()
    grow(at, 5, 0)
    code, said = running.end(signal.SIGTERM)
    assert code == 0
    assert f"POST {ORIGIN} 0 -> 5: 200 cosigned" in said
    assert "Traceback" not in said
    assert re.search(
        rf"{ORIGIN} +5 +{root(LEAVES[:5]).hex()[:16]}",
        running.typed("list", "--key", NAME, "--state", "state"),
    )


def test_a_witness_that_is_killed_never_signs_a_second_history(running: Running) -> None:
    chosen = random.Random(7)
    known = 0
    for _ in range(4):
        at = running.start()
        if known == 0:
            grow(at, 1, 0)
            known = 1
        stop = threading.Timer(chosen.uniform(0.0, 0.05), running.process.kill)  # type: ignore[union-attr]
        stop.start()
        try:
            for size in range(known + 1, len(LEAVES)):
                grow(at, size, known)
                known = size
        except EnvironmentFailed:
            pass  # killed in the middle of it: what was answered counts
        stop.join()
        running.end(signal.SIGKILL)
    [seen] = json.loads(running.typed("list", "--key", NAME, "--state", "state", "--json"))["logs"]
    assert seen["size"] in (known, known + 1)  # an answer may be lost, and never a memory
    at = running.start()
    with pytest.raises(NotVerified, match=r"another history|and here are"):
        grow(at, max(known, 5), known, FORKED if known > 3 else [leaf_hash(b"x")] * 40)
    grow(at, len(LEAVES), known)
    assert running.end(signal.SIGTERM)[0] == 0
