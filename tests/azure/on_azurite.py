"""An object in Azure's storage is recorded with its version: `make azure`, against Microsoft's emulator Azurite."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.canonical import encode
from registry.artifacts import ArtifactStore
from registry.origins import Origins

PROGRAM = Path(__file__).parents[2] / "build" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
# The emulator's own account and key, which its documentation prints: they open nothing else.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SECONDS = 120


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start the emulator with a container, and give its address."""
    assert shutil.which("node"), "Azurite needs Node.js: install nodejs and npm"
    assert PROGRAM.is_file(), "Azurite is not installed: run `make azure`"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        str(PROGRAM),
        "--blobPort",
        str(port),
        "--inMemoryPersistence",
        "--silent",
        "--disableTelemetry",
    ]
    with subprocess.Popen(
        [*command, "--skipApiVersionCheck"], cwd=tmp_path_factory.mktemp("azurite"), stdout=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(port)
            address = f"http://127.0.0.1:{port}/{ACCOUNT}"
            _make_container(address, "loans")
            yield address
        finally:
            server.terminate()


@pytest.fixture
def container(emulator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put an object into a container, as who has the account's key, and name the container."""
    import obstore
    from obstore.store import AzureStore

    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", emulator)
    obstore.put(AzureStore("loans", client_options={"allow_http": True}), "2026/loans.csv", b"a\n1\n")
    return "loans"


@pytest.mark.parametrize(
    "uri",
    [
        "az://loans/2026/loans.csv",
        "azure://loans/2026/loans.csv",
        "abfs://loans/2026/loans.csv",
        "abfss://loans@devstoreaccount1.dfs.core.windows.net/2026/loans.csv",
    ],
)
def test_an_object_is_recorded_with_the_version_that_azure_tells(
    uri: str, container: str, tmp_path: Path
) -> None:
    found = Origins(ArtifactStore(tmp_path / "store"))
    found.find("load", "source", uri)
    [said] = found.found
    assert (said["uri"], said["note"]) == (uri, None)
    assert isinstance(version := said["version"], dict)
    assert (version["bytes"], version["version"]) == (4, None)
    assert str(version["etag"]).startswith('"0x')
    assert KEY.encode() not in encode(said)


@pytest.mark.parametrize("uri", ["az://loans/none.csv", "az://nowhere/loans.csv"])
def test_an_object_that_is_not_there_is_a_note(uri: str, container: str, tmp_path: Path) -> None:
    found = Origins(ArtifactStore(tmp_path / "store"))
    found.find("load", "source", uri)
    assert found.found[0]["note"] == "its version could not be told (FileNotFoundError)"


def _wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < until, f"Azurite did not answer within {SECONDS} s"
            time.sleep(0.2)


def _make_container(emulator: str, name: str) -> None:
    """Make a container, which obstore cannot: Put Container, signed as "Authorize with Shared Key" says."""
    import base64
    import hmac
    from datetime import UTC, datetime
    from email.utils import format_datetime
    from urllib.request import Request, urlopen

    headers = {"x-ms-date": format_datetime(datetime.now(UTC), usegmt=True), "x-ms-version": "2021-08-06"}
    said = "\n".join(f"{key}:{value}" for key, value in headers.items())
    text = f"PUT{chr(10) * 12}{said}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")).decode()
    headers |= {"Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
    with urlopen(Request(f"{emulator}/{name}?restype=container", method="PUT", headers=headers)):
        pass
