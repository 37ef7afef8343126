"""RFC 3161 timestamps: granted by a real authority, and refused from everybody else."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from audit.anchor_settings import Authority
from audit.errors import AffidavitError, EnvironmentFailed, MalformedInput, NotVerified
from audit.post import MOST_BYTES, Answer, fetch
from audit.timestamp import obtain, open_response, pin, verify_stamp
from tests.authority import POLICY, Certified, LocalAuthority, certified, root_certificate, served
from tests.published import Tally, published

TEXT = "bank.example/credit\n57\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
URL = "https://tsa.example/tsr"


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority.make(tmp_path_factory.mktemp("authority") / "good")


@pytest.fixture(scope="session")
def pinned(local: LocalAuthority) -> Authority:
    return pin(URL, local.chain)


@pytest.fixture(scope="session")
def stamped(local: LocalAuthority) -> bytes:
    return local.answer(query())


def query(
    text: str = TEXT, algorithm: HashAlgorithm = HashAlgorithm.SHA256, certificates: bool = True
) -> bytes:
    builder = TimestampRequestBuilder(data=text.encode(), hash_algorithm=algorithm)
    return builder.cert_request(cert_request=certificates).build().as_bytes()


def now() -> float:
    return time.time()


def der(certified: Certified) -> bytes:
    return certified.certificate.public_bytes(Encoding.DER)


def with_certificates(answer: bytes, certificates: list[bytes]) -> bytes:
    """Put other certificates into an answer: no signature covers them."""
    response = tsp.TimeStampResp.load(answer)
    response["time_stamp_token"]["content"]["certificates"] = [
        asn1_x509.Certificate.load(certificate) for certificate in certificates
    ]
    dumped: bytes = response.dump(force=True)
    return dumped


# -- an honest authority -----------------------------------------------------------------------------------------------


def test_a_timestamp_is_obtained_over_http_and_verifies(local: LocalAuthority) -> None:
    with served(local) as url:
        authority = pin(url, local.chain)
        answer = obtain(authority, TEXT, now=now())
    assert abs(verify_stamp(answer, authority, TEXT, now=now()) - now()) < 60


def test_a_token_without_certificates_verifies_by_the_pinned_one(
    local: LocalAuthority, pinned: Authority
) -> None:
    assert verify_stamp(local.answer(query(certificates=False)), pinned, TEXT, now=now())


def test_a_token_after_its_certificate_expired_still_proves_its_time(
    stamped: bytes, pinned: Authority
) -> None:
    assert verify_stamp(stamped, pinned, TEXT, now=now() + 10 * 365 * 86_400)


def test_a_pinned_policy_is_the_one_that_a_token_names(local: LocalAuthority, stamped: bytes) -> None:
    assert verify_stamp(stamped, pin(URL, local.chain, POLICY), TEXT, now=now())
    with pytest.raises(NotVerified, match=r"under the policy 1\.3\.6\.1\.4\.1\.57264\.2, not 1\.2\.3\.4"):
        verify_stamp(stamped, pin(URL, local.chain, "1.2.3.4"), TEXT, now=now())


def test_a_token_whose_certificates_openssl_left_unsorted_verifies(tmp_path: Path) -> None:
    root = root_certificate("R")
    local = LocalAuthority.make(
        tmp_path / "chain", root, certified(root, "a name that makes it the longer one")
    )
    (local.folder / "root.pem").write_text(root.pem)
    answer = local.answer(query(), "-chain", "root.pem")
    signer_first = der(local.signer) + der(root)
    assert signer_first in answer  # DER wants the shorter one first
    assert verify_stamp(answer, pin(URL, local.chain), TEXT, now=now())


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_another_text_is_not_what_was_stamped(stamped: bytes, pinned: Authority) -> None:
    with pytest.raises(NotVerified, match="over another text"):
        verify_stamp(stamped, pinned, TEXT.replace("57", "56"), now=now())


def test_another_digest_than_sha_256_is_not_taken(local: LocalAuthority, pinned: Authority) -> None:
    answer = local.answer(query(algorithm=HashAlgorithm.SHA512))
    with pytest.raises(NotVerified, match="not over SHA-256"):
        verify_stamp(answer, pinned, TEXT, now=now())


def test_an_answer_to_another_request_is_not_taken(local: LocalAuthority, pinned: Authority) -> None:
    older = local.answer(query())
    with pytest.raises(NotVerified, match="its nonce is another"):
        obtain(pinned, TEXT, now=now(), send=lambda *_: Answer(200, "application/timestamp-reply", older))


def test_a_time_in_the_future_is_no_time(stamped: bytes, pinned: Authority) -> None:
    assert verify_stamp(stamped, pinned, TEXT, now=now() - 300)
    with pytest.raises(NotVerified, match="which is in the future"):
        verify_stamp(stamped, pinned, TEXT, now=now() - 3600)


def test_a_refusal_is_not_a_timestamp(local: LocalAuthority, pinned: Authority) -> None:
    refused = local.answer(b"\x30\x03\x02\x01\x01")
    with pytest.raises(NotVerified, match="did not grant a timestamp: its status is 2"):
        verify_stamp(refused, pinned, TEXT, now=now())


@pytest.mark.parametrize("certificates", [True, False])
def test_another_authority_under_the_same_root_is_another_one(
    tmp_path: Path, local: LocalAuthority, pinned: Authority, certificates: bool
) -> None:
    sibling = LocalAuthority.make(
        tmp_path / "sibling", local.root, certified(local.root, "Another authority")
    )
    answer = sibling.answer(query(certificates=certificates))
    with pytest.raises(NotVerified, match="by another certificate than the pinned one"):
        verify_stamp(answer, pinned, TEXT, now=now())
    assert verify_stamp(answer, pin(URL, sibling.chain), TEXT, now=now())


@pytest.fixture(scope="session")
def rogue(tmp_path_factory: pytest.TempPathFactory, local: LocalAuthority) -> LocalAuthority:
    """Make an authority that copies every name and number of the good one, under a root of its own."""
    root = root_certificate()
    signer = certified(root, serial=local.signer.certificate.serial_number)
    return LocalAuthority.make(tmp_path_factory.mktemp("authority") / "rogue", root, signer)


@pytest.mark.parametrize("brings", ["r", "g", "gr", "rg", "rR", "grR", "Rgr", ""])
def test_a_rogue_that_copies_every_name_and_brings_its_own_root_is_refused(
    local: LocalAuthority, rogue: LocalAuthority, pinned: Authority, brings: str
) -> None:
    known = {"r": rogue.signer, "R": rogue.root, "g": local.signer}
    answer = with_certificates(rogue.answer(query()), [der(known[letter]) for letter in brings])
    with pytest.raises(NotVerified):
        verify_stamp(answer, pinned, TEXT, now=now())


def test_a_sibling_with_the_same_serial_number_is_refused(
    tmp_path: Path, local: LocalAuthority, pinned: Authority
) -> None:
    twin = certified(local.root, serial=local.signer.certificate.serial_number)
    authority = LocalAuthority.make(tmp_path / "twin", local.root, twin)
    for certificates in ([der(twin)], [der(local.signer), der(twin)], [der(twin), der(local.signer)]):
        with pytest.raises(NotVerified):
            verify_stamp(with_certificates(authority.answer(query()), certificates), pinned, TEXT, now=now())


@pytest.mark.parametrize(
    ("days", "words"),
    [((-20, -10), "had expired at the time it names"), ((10, 20), "was not valid yet at the time it names")],
)
def test_a_token_from_outside_its_certificates_time_is_refused(
    tmp_path: Path, local: LocalAuthority, days: tuple[int, int], words: str
) -> None:
    signer = certified(local.root, days=days)
    authority = LocalAuthority.make(tmp_path / "late", local.root, signer)
    with pytest.raises(NotVerified, match=words):
        verify_stamp(authority.answer(query()), pin(URL, authority.chain), TEXT, now=now())


def test_every_byte_of_an_answer_matters(stamped: bytes, pinned: Authority) -> None:
    unnoticed = []
    for place in range(len(stamped)):
        changed = bytearray(stamped)
        changed[place] ^= 1
        try:
            verify_stamp(bytes(changed), pinned, TEXT, now=now())
            unnoticed.append(place)
        except (MalformedInput, NotVerified):
            pass
    assert unnoticed == []


@settings(max_examples=150)
@given(data=st.data())
def test_any_bytes_are_an_answer_that_verifies_or_are_refused_in_a_sentence(
    stamped: bytes, pinned: Authority, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(stamped)))
    changed = (
        stamped[:cut] + data.draw(st.binary(max_size=20)) + stamped[cut + data.draw(st.integers(0, 20)) :]
    )
    try:
        verify_stamp(changed, pinned, TEXT, now=now())
    except AffidavitError:
        return
    assert changed == stamped


# -- pinning -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param(lambda a: "", id="nothing"),
        pytest.param(lambda a: a.root.pem + a.signer.pem, id="the root first"),
        pytest.param(lambda a: a.signer.pem, id="no root"),
        pytest.param(lambda a: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", id="no certificate"),
        pytest.param(
            lambda a: certified(a.root, usage=ExtendedKeyUsageOID.SERVER_AUTH).pem + a.root.pem, id="a web server"
        ),
        pytest.param(lambda a: certified(a.root, critical=False).pem + a.root.pem, id="usage not critical"),
    ],
)  # fmt: skip
def test_what_is_not_the_whole_chain_of_an_authority_is_not_pinned(
    local: LocalAuthority, chain: object
) -> None:
    assert callable(chain)
    with pytest.raises(MalformedInput):
        pin(URL, chain(local))


@pytest.mark.parametrize(
    "url", ["", "tsa.example", "ftp://tsa.example", "file:///etc/passwd", "http://", "http://a b"]
)
def test_what_is_not_an_address_is_refused(local: LocalAuthority, url: str) -> None:
    with pytest.raises(MalformedInput, match="is not usable"):
        pin(url, local.chain)


def test_an_address_with_a_password_is_not_written_down(local: LocalAuthority) -> None:
    with pytest.raises(MalformedInput, match="holds no user, password") as refused:
        pin("https://me:secret@tsa.example", local.chain)
    assert "secret" not in str(refused.value)


# -- the network -------------------------------------------------------------------------------------------------------


@pytest.fixture
def talker() -> Iterator[tuple[str, list[bytes]]]:
    """Serve bytes on a socket, once a connection, as they stand in the list."""
    answers: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while answers:
            connection, _ = listening.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"query"):  # what is left unread would reset the connection
                    asked += connection.recv(65_536)
                connection.sendall(answers.pop(0))

    thread = threading.Thread(target=serve)

    class Started(list[bytes]):
        def append(self, answer: bytes) -> None:
            answers.append(answer)
            thread.start()

    yield f"http://127.0.0.1:{listening.getsockname()[1]}/", Started()
    thread.join()
    listening.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "does not answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer"),
        (HEAD + b"Content-Length: 100\r\n\r\nabc", "does not answer to the end"),
        (HEAD + b"\r\n" + bytes(MOST_BYTES + 1), "it was cut off"),
    ],
)
def test_what_is_no_whole_answer_is_one_sentence(
    talker: tuple[str, list[bytes]], answer: bytes, words: str
) -> None:
    url, answers = talker
    answers.append(answer)
    with pytest.raises(EnvironmentFailed, match=words):
        fetch(url, b"query", timeout=5)


def test_a_redirection_is_not_followed(talker: tuple[str, list[bytes]]) -> None:
    url, answers = talker
    answers.append(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n")
    assert fetch(url, b"query", timeout=5).status == 302


def test_an_authority_that_is_not_there_is_one_sentence(local: LocalAuthority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    authority = pin(f"http://127.0.0.1:{port}/", local.chain)
    with pytest.raises(EnvironmentFailed, match=r"does not answer \(.*\): try again later"):
        obtain(authority, TEXT, now=now())


def test_a_page_for_people_is_not_a_timestamp(pinned: Authority) -> None:
    with pytest.raises(MalformedInput, match="not a TimeStampResp"):
        obtain(pinned, TEXT, now=now(), send=lambda *_: Answer(200, "text/html", b"<html>"))
    with pytest.raises(EnvironmentFailed, match="the status 503"):
        obtain(pinned, TEXT, now=now(), send=lambda *_: Answer(503, "text/html", b"<html>"))


# -- published tokens --------------------------------------------------------------------------------------------------


def test_published_tokens_good_and_bad(request: pytest.FixtureRequest) -> None:
    """Each token with the chain that lies beside it; whose bytes are over is not said for all of them."""
    folder, tally = published("rfc3161/test/fixtures"), Tally("RFC 3161 tokens (rfc3161-client's fixtures)")
    wrong = {
        "response-invalid-signature.tsr": "its signature is not the pinned certificate's",
        # By another instance of that authority, under a root of its own with the same names.
        "other_response.tsr": "the pinned certificate does not lead to the pinned root",
    }
    for token in sorted(folder.glob("*/*.tsr")):
        if token.parent.name == "identrust":
            continue  # its certificates are DER and do not hold the one that signed
        authority = pin(URL, (token.parent / "ts_chain.pem").read_text())
        tally.case(
            f"{token.parent.name}/{token.name}", said_of(token, authority), wrong.get(token.name, "verifies")
        )
    tally.close(9, request)


def said_of(token: Path, authority: Authority) -> str:
    try:
        open_response(token.read_bytes(), authority)
    except NotVerified as error:
        return str(error).removeprefix("the timestamp does not verify: ")
    return "verifies"


def test_published_tokens_do_not_verify_by_one_anothers_certificates(request: pytest.FixtureRequest) -> None:
    folder, tally = (
        published("rfc3161/test/fixtures"),
        Tally("RFC 3161 tokens by other authorities' certificates"),
    )
    chains = {path.parent.name: pin(URL, path.read_text()) for path in folder.glob("s*/ts_chain.pem")}
    chains["test_tsa"] = pin(URL, (folder / "test_tsa" / "ts_chain.pem").read_text())
    for token in sorted(folder.glob("*/*.tsr")):
        for name, authority in chains.items():
            if name != token.parent.name:
                tally.case(f"{token.name} by {name}", said_of(token, authority) != "verifies", True)
    tally.close(21, request)


def test_a_published_token_by_a_chain_with_its_leaf_replaced_is_refused() -> None:
    folder = published("rfc3161/test/fixtures/test_tsa")
    chain = pin(URL, (folder / "ts_chain.pem").read_text())
    root = x509.load_pem_x509_certificate(chain.issuers[-1].encode())
    assert root.subject == root.issuer
    other = replace(chain, certificate=certified(root_certificate("Test TSA Root")).pem)
    assert said_of(folder / "response.tsr", other) != "verifies"
