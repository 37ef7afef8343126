"""Sentences that name what a reader can do next, and count as people do."""

from pathlib import Path

import pytest

from audit.errors import EnvironmentFailed, NotFound
from registry.artifacts import ArtifactStore
from registry.policy import packaged
from tests.command_line import Folder, a_lender


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A lender; no test changes it."""
    return a_lender(tmp_path_factory.mktemp("sentences") / "lender")


@pytest.mark.parametrize(
    "command",
    [("show", "loans"), ("export", "loans", "-o", "x.zip"), ("lineage", "loans"), ("reproduce", "loans@")],
    ids=str,
)
def test_a_model_where_a_version_is_meant_is_told_its_newest(here: Folder, command: tuple[str, ...]) -> None:
    result = here(*command)
    assert result.exit_code == 2
    assert (
        "is a model and not one of its versions: write loans@2, loans@latest or loans@STAGE" in result.stderr
    )


def test_what_names_neither_a_version_nor_an_entry_is_told_how_to(here: Folder) -> None:
    said = here("show", "cars").stderr
    assert "'cars' is no model version and no entry: write NAME@VERSION, NAME@STAGE or NAME@latest" in said


def test_a_misspelt_model_is_guessed(here: Folder) -> None:
    assert "its models are loans; did you mean loans?" in here("show", "laons@1").stderr
    assert "did you mean" not in here("show", "cars@1").stderr


def test_the_text_of_a_policy_is_printed_as_it_is(here: Folder) -> None:
    assert here.text("policy", "show", "baseline", "--text").encode() == packaged("baseline").text
    assert "ask for one of them" in here("policy", "show", "baseline", "--text", "--json").stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("nobody", "the key 'nobody' may not sign a decision entry"),
        ("validator", "it holds validator (`affidavit key grant` gives roles)"),
    ],
)
def test_a_key_that_may_not_decide_is_called_by_its_name(here: Folder, key: str, words: str) -> None:
    assert words in here("promote", "loans@1", "production", "--as", key).stderr


def test_whose_key_was_revoked_is_not_told_to_have_it_granted_roles(tmp_path: Path) -> None:
    here = a_lender(tmp_path / "lender")
    here.text("key", "revoke", "validator", "--reason", "left")
    said = here("approve", "loans@2", "--stage", "production", "--as", "validator", "--role", "validator",
                "--meaning", "x").stderr  # fmt: skip
    assert "it is revoked by entry 11 (sign with another key of yours" in said
    assert "grant" not in said


def test_who_is_granted_what_they_have_is_told_so(here: Folder) -> None:
    grant = ("key", "grant", "validator", "--role", "validator", "--dry-run")
    assert "the key validator holds validator from now on, as it did already." in here.text(*grant)
    assert here.json(*grant)["already"] is True
    more = here.json(*grant[:3], "--role", "auditor", "--dry-run")
    assert (more["already"], more["no_longer"]) == (False, ["validator"])


def test_a_rejection_without_a_reason_is_told_that_it_is_one(here: Folder) -> None:
    said = here("reject", "loans@2", "--stage", "production", "--as", "validator", "--role", "validator",
                "--reason", " ").stderr  # fmt: skip
    assert "a rejection states its reason" in said


def test_a_rollback_of_a_model_that_is_not_there_says_so(here: Folder) -> None:
    result = here("rollback", "laons", "staging", "--reason", "x", "--as", "owner")
    assert result.exit_code == 2
    assert "no version of a model 'laons'" in result.stderr


@pytest.mark.parametrize("command", [("export", "loans@1"), ("report", "loans@1")], ids=str)
def test_a_folder_that_is_not_there_is_said_before_anything_is_done(
    here: Folder, command: tuple[str, ...]
) -> None:
    result = here(*command, "-o", "no/where/it")
    assert result.exit_code == 2
    assert "there is no folder no/where: make it, or name another place" in result.stderr


def test_a_ledger_with_one_key_counts_one(tmp_path: Path) -> None:
    alone = Folder(tmp_path)
    alone.text("init", "--origin", "one.example/models")
    assert "1 key holder matches its grant" in alone.text("verify")


def test_the_policies_there_are_are_named_once() -> None:
    with pytest.raises(NotFound) as refused:
        packaged("nix")
    assert str(refused.value).count("baseline") == 1


def test_a_store_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sha256").write_text("")  # where its folder has to be
    with pytest.raises(EnvironmentFailed) as refused:
        ArtifactStore(tmp_path).put(b"data")
    said = str(refused.value)
    assert said.startswith(f"an artifact cannot be stored in {tmp_path}: ")
    assert "let who runs this write there, or free some space" in said
