"""Bundles for tests, made from small real ledgers, and taken apart to be put together again with something wrong."""

import io
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from audit.archive import write_archive
from audit.bundle_check import verify_bundle
from audit.bundler import Wanted, write_bundle
from audit.evidence import Brought, Evidence
from audit.ledger import Ledger
from audit.note import VerifierKey
from tests.small_ledger import People, new_ledger, report

__all__ = ["Members", "a_bundle", "by_hand", "failed", "key_of", "members_of", "put_together", "verified"]

Members = dict[str, bytes]


def a_bundle(folder: Path, people: People | None = None, *, reports: int = 4, about: int = 3) -> Ledger:
    """Make a ledger with so many reports, one to a checkpoint, and `bundle.zip` about one entry; return the ledger."""
    ledger = new_ledger(folder / "ledger", people)
    for number in range(reports):
        ledger.append(report(f"report {number}"))
    write_bundle(ledger, Wanted(f"entry {about}", (about,)), folder / "bundle.zip")
    return ledger


def key_of(people: People, origin: str = "test.example/ledger") -> VerifierKey:
    """Return the verifier key of a small ledger's log."""
    return VerifierKey(origin, people.log.public.raw)


def members_of(path: Path) -> Members:
    """Read all members of a zip file."""
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def put_together(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write members as a bundle."""
    target = io.BytesIO()
    write_archive(target, members)
    path.write_bytes(target.getvalue())
    return path


def verified(path: Path, members: Mapping[str, bytes], brought: Brought | None = None) -> Evidence:
    """Write members as a bundle, and verify it."""
    return verify_bundle(put_together(path, members), brought or Brought())


def failed(answer: Evidence) -> list[str]:
    """Name the steps that failed."""
    return [step.name for step in answer.report.steps if step.status == "failed"]


def by_hand(folder: Path) -> str:
    """Type the commands of README.txt, but for the one that needs affidavit, and return what they print."""
    commands = [
        line[4:]
        for line in (folder / "README.txt").read_text().splitlines()
        if line.startswith("    ") and not line.strip().startswith("affidavit ")
    ]
    done = subprocess.run(
        ["sh", "-e"],
        input="\n".join(commands),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
