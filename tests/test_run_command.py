"""What a user's code may do while `affidavit run` runs it."""

import json
from pathlib import Path

import pytest

from tests.command_line import Folder, empty_folder

NOISY = """
import os, subprocess
from affidavit import Pipeline

noisy = Pipeline("noisy")


class Odd(Exception):
    def __str__(self):
        raise RuntimeError


@noisy.step
def numbers(how: str = "well"):
    os.system("echo from the shell")
    subprocess.run(["echo", "from a child"])
    print("from Python")
    if how == "odd":
        raise Odd
    if how == "long":
        raise ValueError("x" * 100_000)
    if how == "full":
        from audit.errors import EnvironmentFailed

        raise EnvironmentFailed("the disk is full")
    if how == "named":
        from audit.errors import MalformedInput

        raise MalformedInput("the query of the step numbers failed: no such column")
    return [1, 2]
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder: Path = tmp_path_factory.mktemp("noisy")
    (folder / "noisy.py").write_text(NOISY)
    place = empty_folder(folder)
    assert place("init", "--origin", "noisy.example/models").exit_code == 0
    return place


def test_what_the_users_code_and_its_children_print_stays_out_of_the_document(here: Folder) -> None:
    done = here.typed("run", "noisy.py", "--json")
    assert json.loads(done.stdout)["status"] == "succeeded"
    assert {"from the shell", "from a child", "from Python"} <= set(done.stderr.split("\n"))


def test_an_exception_that_cannot_be_shown_is_named_by_its_class(here: Folder) -> None:
    done = here.typed("run", "noisy.py", "-p", "how=odd")
    assert done.returncode == 2
    assert "the step numbers failed: Odd: (it cannot be shown); recorded as a failed run" in done.stderr


def test_a_message_that_names_its_step_is_not_said_to_have_failed_twice(here: Folder) -> None:
    done = here.typed("run", "noisy.py", "-p", "how=named")
    assert "Error: the query of the step numbers failed: no such column; recorded as a failed" in done.stderr


def test_a_message_of_any_length_is_cut_to_a_line(here: Folder) -> None:
    done = here.typed("run", "noisy.py", "-p", "how=long")
    assert len(done.stderr) < 1_000


def test_a_step_that_the_environment_failed_ends_with_status_3(here: Folder) -> None:
    assert here.typed("run", "noisy.py", "-p", "how=full").returncode == 3
