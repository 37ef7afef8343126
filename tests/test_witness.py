"""A witness and its client, over real HTTP: it cosigns what only grew, and remembers through a kill -9."""

import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import witness_server
from audit.anchor_settings import WitnessAt
from audit.checkpoint import Checkpoint, sign_checkpoint
from audit.cosignature import WitnessKey, cosign, cosignatures
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotVerified
from audit.keys import LocalSigner
from audit.merkle import EMPTY_ROOT, consistency_proof, leaf_hash, root
from audit.note import Note, NoteSignature, VerifierKey
from audit.post import Answer, fetch
from audit.witness import SIZE_TYPE, cosigned_by, write_request
from audit.witness_server import MOST_BYTES, WitnessServer, parse_listen
from audit.witness_service import Witness, read_logs, remembered
from tests.command_line import COMMAND, clean_environment
from tests.small_ledger import Clock, signer

ORIGIN = "bank.example/credit"
NAME = "compliance.bank.example"
LEAVES = [leaf_hash(bytes([n])) for n in range(40)]
FORKED = [*LEAVES[:3], leaf_hash(b"another"), *LEAVES[4:]]
LOG, OTHER_LOG, WITNESS = signer(), signer(), signer()
KEY = WitnessKey(NAME, WITNESS.public.raw)
LOGS = {ORIGIN: (VerifierKey(ORIGIN, LOG.public.raw),)}


def note(size: int, leaves: Sequence[bytes] = LEAVES, log: LocalSigner = LOG, origin: str = ORIGIN) -> bytes:
    return sign_checkpoint(Checkpoint(origin, size, root(leaves[:size])), log)


def proof(old: int, size: int, leaves: Sequence[bytes] = LEAVES) -> tuple[bytes, ...]:
    def node(level: int, index: int) -> bytes:
        return root(leaves[index << level : (index + 1) << level])

    return consistency_proof(node, old, size) if 0 < old < size else ()


def request(old: int, size: int, leaves: Sequence[bytes] = LEAVES) -> bytes:
    return write_request(old, proof(old, size, leaves), note(size, leaves))


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    made = Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())
    yield made
    made.close()


def status(witness: Witness, body: bytes) -> int:
    return witness.add_checkpoint(body)[0].status


def asked(witness: Witness, note: bytes, leaves: Sequence[bytes] = LEAVES, known_size: int = 0) -> int:
    """Have a witness cosign, as a client does; return the time of the cosignature."""
    return cosigned_by(
        WitnessAt("http://witness.example/", KEY),
        note,
        lambda old, size: proof(old, size, leaves),
        now=2e9,
        known_size=known_size,
        send=lambda url, body: witness.add_checkpoint(body)[0],
    ).time


# -- the protocol, status by status ------------------------------------------------------------------------------------


def test_a_tree_that_grows_is_cosigned_at_every_size(witness: Witness) -> None:
    for old, size in ((0, 1), (1, 2), (2, 7), (7, 7), (7, 8), (8, 33), (33, 40)):
        answer, about = witness.add_checkpoint(request(old, size))
        assert answer.status == 200, answer.body
        assert about == f"{ORIGIN} {old} -> {size}"
        whole = Note.parse(note(size) + answer.body)
        assert [c.key for c in cosignatures(whole.text, whole.signatures, [KEY])] == [KEY]


def test_an_empty_tree_is_cosigned_if_its_root_is_that_of_nothing(witness: Witness) -> None:
    wrong = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), LOG)
    assert status(witness, write_request(0, (), wrong)) == 422
    assert (
        status(witness, write_request(0, (), sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), LOG))) == 200
    )


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", 400, id="nothing"),
        pytest.param(b"old 0\n" + note(1), 400, id="no empty line"),
        pytest.param(b"old 00\n\n" + note(1), 400, id="a size with a leading zero"),
        pytest.param(b"old -1\n\n" + note(1), 400, id="a negative size"),
        pytest.param(b"old  0\n\n" + note(1), 400, id="two spaces"),
        pytest.param(b"new 0\n\n" + note(1), 400, id="another word"),
        pytest.param(b"old 0\r\n\n" + note(1), 400, id="a carriage return"),
        pytest.param(b"old 5\nAAAA\n\n" + note(7), 400, id="a short hash"),
        pytest.param(b"old 5\n\xff\n\n" + note(7), 400, id="a line that is not UTF-8"),
        pytest.param(write_request(5, [bytes(32)] * 64, note(7)), 400, id="64 hashes"),
        pytest.param(b"old 0\n\n" + note(1)[:-1], 400, id="a note cut short"),
        pytest.param(b"old 0\n\nno checkpoint\n\n" + note(1).partition(b"\n\n")[2], 400, id="another note"),
        pytest.param(write_request(9, (), note(7)), 400, id="old more than new"),
        pytest.param(write_request(0, (), note(1, origin="other.example")), 404, id="an unknown log"),
        pytest.param(write_request(0, (), note(1, log=OTHER_LOG)), 403, id="another key"),
        pytest.param(write_request(0, (), note(1).replace(b"\n1\n", b"\n2\n")), 403, id="another text"),
        pytest.param(write_request(4, (), note(7)), 409, id="a size that is not remembered"),
        pytest.param(write_request(5, (), note(5)), 200, id="the same tree again"),
        pytest.param(request(5, 7), 200, id="a larger tree"),
        pytest.param(write_request(5, (), note(7)), 422, id="no proof"),
        pytest.param(write_request(5, [*proof(5, 7), bytes(32)], note(7)), 422, id="a hash too many"),
        pytest.param(write_request(5, proof(5, 8), note(7)), 422, id="the proof of another size"),
        pytest.param(write_request(5, (), note(5, FORKED)), 422, id="another root at the same size"),
        pytest.param(write_request(5, proof(5, 7, FORKED), note(7, FORKED)), 422, id="a forked log"),
        pytest.param(write_request(5, [bytes(32)], note(5)), 422, id="a proof where none is needed"),
    ],
)  # fmt: skip
def test_a_request_is_answered_as_the_protocol_says(witness: Witness, body: bytes, expected: int) -> None:
    assert status(witness, request(0, 5)) == 200
    assert status(witness, body) == expected


def test_a_proof_from_the_empty_tree_is_too_much(witness: Witness) -> None:
    assert status(witness, write_request(0, [bytes(32)], note(7))) == 422


def test_what_conflicts_is_answered_with_the_size_that_is_remembered(witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5))
    answer, _ = witness.add_checkpoint(request(0, 7))
    assert (answer.status, answer.media_type, answer.body) == (409, SIZE_TYPE, b"5\n")


def test_a_log_with_two_keys_is_known_by_either(tmp_path: Path) -> None:
    newer = VerifierKey(ORIGIN, OTHER_LOG.public.raw)
    texts = [f"{LOGS[ORIGIN][0]}\n{newer}\n", "\n"]
    made = Witness(NAME, WITNESS, read_logs(texts), tmp_path, Clock())
    assert status(made, request(0, 1)) == 200
    assert status(made, write_request(1, proof(1, 2), note(2, log=OTHER_LOG))) == 200
    made.close()


def test_a_log_that_signs_many_times_is_remembered_by_one_line(tmp_path: Path, witness: Witness) -> None:
    one = Note.parse(note(1))
    many = Note(one.text, one.signatures * 64)
    assert status(witness, write_request(0, (), many.to_bytes())) == 200
    [seen] = remembered(tmp_path / "state", KEY)
    assert len(Note.parse(seen.note).signatures) == 2


@settings(max_examples=200)
@given(body=st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda tail: b"old 0\n" + tail)))
def test_any_bytes_are_answered_with_400(body: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    made = Witness(NAME, WITNESS, LOGS, tmp_path_factory.mktemp("state"), Clock())
    assert status(made, body) == 400
    made.close()


# -- what is remembered ------------------------------------------------------------------------------------------------


def test_a_witness_started_anew_remembers(tmp_path: Path) -> None:
    with closing(Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())) as before:
        assert status(before, request(0, 5)) == 200
    with closing(Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())) as again:
        assert status(again, write_request(0, (), note(5, FORKED))) == 409
        assert status(again, write_request(5, (), note(5, FORKED))) == 422


def test_two_witnesses_do_not_share_a_memory(tmp_path: Path, witness: Witness) -> None:
    with pytest.raises(EnvironmentFailed, match="another witness has the state folder"):
        Witness(NAME, WITNESS, LOGS, tmp_path / "state", Clock())


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: b"", id="empty"),
        pytest.param(lambda data: data[:-30], id="cut short"),
        pytest.param(lambda data: data.replace(b"\n5\n", b"\n4\n"), id="an edited size"),
        pytest.param(lambda data: note(5), id="without a cosignature"),
        pytest.param(
            lambda data: note(5) + f"{cosign(Note.parse(note(5)).text, NAME, LOG, 9)}\n".encode(), id="another key's"
        ),
    ],
)  # fmt: skip
def test_a_memory_that_was_changed_stops_the_witness(
    tmp_path: Path, witness: Witness, damage: object
) -> None:
    assert callable(damage)
    witness.add_checkpoint(request(0, 5))
    [path] = (tmp_path / "state").glob("*.checkpoint")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MalformedInput, match="restore it from a copy"):
        remembered(tmp_path / "state", KEY)


def test_a_memory_under_another_logs_name_stops_the_witness(tmp_path: Path, witness: Witness) -> None:
    witness.add_checkpoint(request(0, 5))
    [path] = (tmp_path / "state").glob("*.checkpoint")
    path.rename(path.with_name(f"{'0' * 64}.checkpoint"))
    with pytest.raises(MalformedInput, match="whose file has another name"):
        remembered(tmp_path / "state", KEY)


def test_what_cannot_be_remembered_is_not_cosigned(
    tmp_path: Path, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    witness.add_checkpoint(request(0, 5))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        answer, _ = witness.add_checkpoint(request(5, 7))
    assert (answer.status, answer.body) == (500, b"the witness cannot remember: No space left on device\n")
    assert [seen.checkpoint.size for seen in remembered(tmp_path / "state", KEY)] == [5]
    assert status(witness, request(5, 8)) == 200


def test_the_times_of_a_witness_do_not_go_back(tmp_path: Path) -> None:
    clock = Clock()
    made = Witness(NAME, WITNESS, LOGS, tmp_path, clock)
    first = asked(made, note(5))
    clock.now -= 1000
    assert asked(made, note(6), known_size=5) == first
    made.close()


def test_of_requests_that_race_for_one_size_one_wins_and_the_memory_holds(
    tmp_path: Path, witness: Witness
) -> None:
    witness.add_checkpoint(request(0, 5))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda size=size: statuses.append(status(witness, request(5, size))))
        for size in range(6, 18)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[409] * 11]
    [seen] = remembered(tmp_path / "state", KEY)
    assert seen.checkpoint.root == root(LEAVES[: seen.checkpoint.size])


# -- the client --------------------------------------------------------------------------------------------------------


def answering(*answers: Answer) -> object:
    left = list(answers)
    return lambda url, body: left.pop(0)


def cosignature(size: int = 5, name: str = NAME, key: LocalSigner = WITNESS, time: int = 1000) -> bytes:
    return f"{cosign(Note.parse(note(size)).text, name, key, time)}\n".encode()


def client(*answers: Answer, size: int = 5) -> int:
    send = answering(*answers)
    assert callable(send)
    at = WitnessAt("http://witness.example/", KEY)
    return cosigned_by(at, note(size), lambda old, new: proof(old, new), now=2000.0, send=send).time


def test_a_client_that_knows_nothing_learns_the_size_and_proves_from_there(witness: Witness) -> None:
    asked(witness, note(5))
    assert asked(witness, note(30)) > asked(witness, note(30), known_size=30) - 10


def test_a_ledger_that_is_behind_the_witness_is_told(witness: Witness) -> None:
    asked(witness, note(30))
    with pytest.raises(NotVerified, match="has cosigned 30 entries of this ledger, and here are 5"):
        asked(witness, note(5))


def test_a_forked_ledger_is_refused_and_told(witness: Witness) -> None:
    asked(witness, note(5))
    with pytest.raises(NotVerified, match="has seen another history of this ledger"):
        asked(witness, note(9, FORKED), FORKED)


def test_lines_of_other_witnesses_are_passed_over() -> None:
    other = cosignature(name="other.example", key=signer())
    assert client(Answer(200, "text/plain", other + cosignature())) == 1000


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"", "something else than signature lines", id="nothing"),
        pytest.param(b"\xff\n", "something else than signature lines", id="not UTF-8"),
        pytest.param(b"thank you\n", "em dash", id="another line"),
        pytest.param(cosignature()[:-1], "something else than signature lines", id="no newline"),
        pytest.param(b"\n" + cosignature(), "em dash", id="an empty line first"),
        pytest.param(cosignature(name="other.example"), "with 0 cosignatures", id="another name"),
        pytest.param(cosignature(key=LOG), "with 0 cosignatures", id="another key"),
        pytest.param(cosignature() * 2, "with 2 cosignatures", id="twice"),
        pytest.param(cosignature(size=6), "does not verify", id="over another checkpoint"),
        pytest.param(cosignature(time=5000), "in the future", id="a time in the future"),
        pytest.param(
            f"{NoteSignature(NAME, KEY.hash, bytes(8) + bytes(64))}\n".encode(), "not a time", id="no time"
        ),
        pytest.param(f"{NoteSignature(NAME, KEY.hash, bytes(64))}\n".encode(), "not a time", id="too short"),
    ],
)  # fmt: skip
def test_what_is_not_the_cosignature_is_not_taken(body: bytes, words: str) -> None:
    with pytest.raises(AffidavitError, match=words):
        client(Answer(200, "text/plain", body))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404, "text/plain", b"unknown\n"), r"does not know this ledger .*; it says: unknown"),
        (Answer(403, "text/html", b"<html>"), "under another log key"),
        (Answer(500, "text/plain", b""), "its status is 500"),
        (Answer(302, "text/plain", b""), "its status is 302"),
        (Answer(409, "text/plain", b"5\n"), "409 without the size"),
        (Answer(409, SIZE_TYPE, b"05\n"), "409 without the size"),
        (Answer(409, SIZE_TYPE, b"5"), "409 without the size"),
    ],
)
def test_a_refusal_is_one_sentence(answer: Answer, words: str) -> None:
    with pytest.raises(NotVerified, match=words):
        client(answer)


def test_a_witness_that_conflicts_for_ever_is_not_asked_for_ever() -> None:
    with pytest.raises(EnvironmentFailed, match="remembers another size whenever it is asked"):
        client(*[Answer(409, SIZE_TYPE, b"%d\n" % (n % 3)) for n in range(9)])


def test_a_time_is_written_before_the_signature_and_changed_with_it() -> None:
    line = cosign(Note.parse(note(5)).text, NAME, WITNESS, 1000)
    later = NoteSignature(line.name, line.key_hash, (1001).to_bytes(8, "big") + line.signature[8:])
    with pytest.raises(NotVerified, match="does not verify"):
        KEY.time_of(later, Note.parse(note(5)).text)


def test_a_witness_key_is_not_a_log_key() -> None:
    assert WitnessKey.parse(str(KEY)) == KEY
    with pytest.raises(MalformedInput):
        VerifierKey.parse(str(KEY))
    with pytest.raises(MalformedInput):
        WitnessKey.parse(str(LOGS[ORIGIN][0]))


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
