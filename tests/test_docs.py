"""Tests of the pages in docs/: what they show is what happens."""

import os
import re
import signal
import socket
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from registry.policy import parse
from tests.authority import LocalAuthority, served
from tests.command_line import Folder, a_lender
from tests.soft_token import need_softhsm
from tests.transcripts import blocks, run_block

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    """Give a lender's folder: 11 entries, loans@1 in production."""
    return a_lender(tmp_path / "lender")


@pytest.mark.parametrize(
    "page",
    [
        "fingerprints.md",
        "ledger-format.md",
        "policies.md",
        "pipelines.md",
        "data.md",
        "lineage.md",
        "keys.md",
        "bundles.md",
        "erasure.md",
        "drill.md",
        "verification.md",
    ],
)
def test_everything_that_a_page_shows_happens_as_shown(here: Folder, page: str) -> None:
    found = list(blocks(DOCS / page))
    assert found
    for block in found:
        if block.language == "yaml":
            name = re.match(r"name: (\S+)", block.text)
            assert name is not None
            (here.path / f"{name[1]}.yaml").write_text(block.text)
        run_block(block, here, page)


def test_everything_that_the_page_on_tokens_shows_happens_as_shown(here: Folder) -> None:
    need_softhsm()
    for block in blocks(DOCS / "tokens.md"):
        run_block(block, here, "tokens.md")


def test_everything_that_the_page_about_anchors_shows_happens_as_shown(here: Folder, tmp_path: Path) -> None:
    # The page's authority is one on this machine, and its witness listens at a port that is free.
    local = LocalAuthority.make(tmp_path / "authority")
    (here.path / "tsa-chain.pem").write_text(local.chain)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    try:
        with served(local) as url:
            for block in blocks(DOCS / "anchors.md"):
                text = block.text.replace("8123", port).replace("https://tsa.example/tsr", url)
                run_block(replace(block, text=text), here, "anchors.md")
    finally:
        pid = here.path / "witness.pid"
        if pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)


def test_the_policy_that_is_shown_uses_every_kind_of_rule() -> None:
    first = next(block for block in blocks(DOCS / "policies.md") if block.language == "yaml")
    shown = parse(first.text.encode(), "policies.md")
    assert {rule.kind for rule in shown.rules} == {
        "limit", "fact", "lineage", "privacy", "approval", "reproduction",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("forgery", "found"),
    [
        (
            "UPDATE records SET record = replace(record, 'lender.example', 'lender.exmaple') WHERE seq = 4",
            "elsewhere",
        ),
        ("DELETE FROM records WHERE seq = 4", "record 4 does not follow"),
        ("DELETE FROM records WHERE seq = 10", "the head of 11 entries is of another tree"),
        (
            "UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE number = 2) WHERE number = 10",
            "newest",
        ),
        (
            "UPDATE records SET record = CAST(record || ' ' AS BLOB) WHERE seq = 10",
            "record 10 is not canonical",
        ),
    ],
)
def test_the_verifier_that_is_shown_finds_forgeries(here: Folder, forgery: str, found: str) -> None:
    [code] = [
        block.text for block in blocks(DOCS / "ledger-format.md") if block.text.startswith("# check.py")
    ]
    names: dict[str, object] = {"__name__": "check"}
    exec(compile(code, "check.py", "exec"), names)
    check = names["check"]
    assert callable(check)
    with closing(sqlite3.connect(here.path / ".affidavit" / "ledger.db")) as database:
        assert check(database).startswith("11 entries")
        for guard in ("records_no_update", "records_no_delete", "checkpoints_no_update"):
            database.execute(f"DROP TRIGGER {guard}")
        database.execute(
            forgery.replace("= replace(", "= CAST(replace(").replace("exmaple')", "exmaple') AS BLOB)")
        )
        with pytest.raises(AssertionError, match=found):
            check(database)


def test_no_page_names_a_place_on_a_machine() -> None:
    pages = [*DOCS.glob("*.md"), DOCS.parent / "README.md", DOCS.parent / "CHANGELOG.md"]
    for page in pages:
        assert not re.search(r"(?<![\w.])/(?:home|work|root|Users|tmp)/", page.read_text()), page.name


def test_a_long_console_line_is_no_command_that_was_forgotten() -> None:
    for page in DOCS.glob("*.md"):
        for block in blocks(page):
            if block.language == "console":
                assert block.text.startswith("$ "), f"{page.name}:{block.line}"
