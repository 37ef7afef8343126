"""Issuing a report: the file and its entry are both there, or neither is."""

from pathlib import Path
from typing import Any

import pytest

import reports.issue
from audit.durable import UNFINISHED
from audit.errors import Conflict, EnvironmentFailed, MalformedInput, NotPermitted
from audit.record import Entry
from registry.registry import Registry
from reports.dossier import Dossier, compose
from reports.issue import gather, issue_report
from tests.small_registry import new_registry, run_result


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with one version, and a PDF that costs nothing to write."""
    registry = new_registry(tmp_path)
    registry.record_run(run_result(registry))
    monkeypatch.setattr(reports.issue, "write", lambda html, **_: b"%PDF-1.7")
    return registry


def issue(registry: Registry, output: Path) -> int:
    return issue_report(registry, "credit@1", "model-card", output).entry


def test_a_report_is_a_file_and_an_entry(registry: Registry, tmp_path: Path) -> None:
    seq = issue(registry, tmp_path / "card.pdf")
    assert (tmp_path / "card.pdf").read_bytes() == b"%PDF-1.7"
    assert registry.ledger.entry(seq).kind == "report"
    assert not list(tmp_path.glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("output", ["nowhere/card.pdf", ".affidavit"])
def test_a_place_that_cannot_hold_a_file_is_told_before_anything_is_done(
    registry: Registry, tmp_path: Path, output: str
) -> None:
    before = registry.ledger.head().size
    with pytest.raises(MalformedInput, match="folder"):
        issue(registry, tmp_path / output)
    assert registry.ledger.head().size == before


def test_a_file_that_cannot_be_written_leaves_no_entry(registry: Registry) -> None:
    before = registry.ledger.head().size
    with pytest.raises(EnvironmentFailed, match=r"cannot be written.*nothing was recorded"):
        issue(registry, Path("/proc/card.pdf"))
    assert registry.ledger.head().size == before


def test_an_entry_that_cannot_be_written_leaves_the_file_as_it_was(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "card.pdf").write_text("the one before")

    def refuse(*_: object, **__: object) -> Entry:
        raise NotPermitted("the key was revoked a moment ago")

    monkeypatch.setattr(registry.ledger, "append", refuse)
    with pytest.raises(NotPermitted):
        issue(registry, tmp_path / "card.pdf")
    assert (tmp_path / "card.pdf").read_text() == "the one before"
    assert not list(tmp_path.glob(f"{UNFINISHED}*"))


@pytest.mark.parametrize("times", [1, 99])
def test_a_report_covers_one_head_even_where_the_ledger_moves_on(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left = [times]

    def be_overtaken(**gathered: Any) -> Dossier:
        if left[0]:
            left[0] -= 1
            registry.record_run(run_result(registry, auc=0.9))
        return compose(**gathered)

    monkeypatch.setattr("reports.issue.compose", be_overtaken)
    if times == 1:
        assert gather(registry, "credit@1").size == registry.ledger.head().size
    else:
        with pytest.raises(Conflict, match="kept growing"):
            gather(registry, "credit@1")
