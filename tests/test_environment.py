"""The environment is recorded by lists of what may be said, and by nothing else."""

from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path

from audit.canonical import encode
from registry.artifacts import ArtifactStore
from registry.environment import VARIABLES, describe_environment, packages_text


class Installed(Distribution):
    def __init__(self, name: str | None, version: str) -> None:
        self._metadata = Message()
        if name is not None:
            self._metadata["Name"] = name
        self._metadata["Version"] = version

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        return self._metadata

    def read_text(self, filename: str) -> str | None:
        raise NotImplementedError

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError


def test_only_listed_variables_are_recorded(tmp_path: Path) -> None:
    environ = {"PYTHONHASHSEED": "0", "AWS_SECRET_ACCESS_KEY": "hunter2", "HOME": "/home/alice"}
    described = describe_environment(ArtifactStore(tmp_path), environ)
    assert described["variables"] == {"PYTHONHASHSEED": "0"}
    assert b"hunter2" not in encode(described)
    assert b"alice" not in encode(described)


def test_no_listed_variable_is_named_like_a_secret_or_a_path() -> None:
    assert not [
        name for name in VARIABLES if any(word in name for word in ("KEY", "TOKEN", "PASS", "PATH", "HOME"))
    ]


def test_the_packages_are_an_artifact_that_pip_can_read(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    packages = describe_environment(store, {})["packages"]
    assert isinstance(packages, dict)
    lines = store.get(str(packages["artifact"])).decode().splitlines()
    assert len(lines) == packages["count"]
    assert lines == sorted(lines)
    assert any(line.startswith("scikit-learn==") for line in lines)


def test_packages_are_named_as_pip_compares_them_and_the_first_of_two_counts() -> None:
    found = [
        Installed("Zope.Interface", "1"),
        Installed("a_b", "2"),
        Installed("A-B", "3"),
        Installed(None, "4"),
    ]
    assert packages_text(found) == ("a-b==2\nzope-interface==1\n", 2)


def test_a_value_that_is_not_text_stays_canonical(tmp_path: Path) -> None:
    described = describe_environment(ArtifactStore(tmp_path), {"LANG": "\udcff" * 300})
    encode(described)
