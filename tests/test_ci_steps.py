"""The steps of CI: one that fails stops none after it, and is what the script ends with."""

import subprocess
from pathlib import Path

CI = Path(__file__).parent.parent / ".ci"


def script(*lines: str) -> subprocess.CompletedProcess[str]:
    text = "\n".join([f"cd {CI.parent} && . .ci/steps", *lines, "finish"])
    return subprocess.run(["bash", "-c", text, "nightly"], capture_output=True, text=True, check=False)


def test_a_step_that_fails_stops_none_after_it_and_is_named_at_the_end() -> None:
    done = script("step first false", "step second echo it ran", "step third false")
    assert done.returncode == 1
    assert "it ran" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["nightly: FAILED: first", "nightly: FAILED: third"]


def test_where_every_step_passes_the_script_does_and_its_steps_know_that_they_are_in_ci() -> None:
    done = script("step first printenv CI")
    assert (done.returncode, "true\n" in done.stdout) == (0, True)


def test_a_program_that_is_there_is_not_installed_and_one_that_is_not_in_path_is_looked_for_where_it_is() -> (
    None
):
    done = script('need bash "nothing?/bin/[b]ash"')
    assert (done.returncode, "installing" in done.stdout) == (0, False)
