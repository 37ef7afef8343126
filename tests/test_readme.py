"""Tests of the README: what it shows is what happens."""

import re
import shutil
from pathlib import Path

import pytest

from reports.cli import affidavit
from tests.command_line import empty_folder
from tests.transcripts import blocks, run_block

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the README checks signatures with openssl")
@pytest.mark.skipif(shutil.which("git") is None, reason="the README commits the pipeline with git")
def test_everything_that_the_readme_shows_happens_as_shown(tmp_path: Path) -> None:
    here = empty_folder(tmp_path / "project")
    found = list(blocks(README))
    assert [block.language for block in found].count("console") >= 9
    for block in found:
        run_block(block, here, README.name)


def test_the_table_of_commands_names_every_command_and_no_other() -> None:
    table = README.read_text().partition("## Commands")[2].partition("| exit status |")[0]
    named = set(re.findall(r"`affidavit ([a-z]+)", table))
    assert named == set(affidavit.commands)


def test_the_readme_links_to_files_that_are_there() -> None:
    here = {
        "CHANGELOG.md",
        *(str(path.relative_to(README.parent)) for path in (README.parent / "docs").rglob("*")),
    }
    linked = set(re.findall(r"\]\(([^)#:]+)\)", README.read_text()))
    # A folder that holds only what is published has no CONTRIBUTING.md.
    assert linked - here <= {"CONTRIBUTING.md"}
