"""What `run.data(..., source=...)` says a table came from: a file, the URI of an object, another URL, or a query.

A file is recorded by its digest, anything else as an origin (`registry.origins`). What can be neither is refused:
whoever names a source takes it for recorded.

>>> checked_source(Path("."))
Traceback (most recent call last):
    ...
audit.errors.MalformedInput: the source '.' is a folder: name the file that the table was read from
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from audit.errors import MalformedInput
from registry.origins import SqlSource, is_recorded

__all__ = ["checked_source", "refuse_name_of_file"]

URL_IN_A_PATH = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)
"""What is left of a URL in a path, which drops one of its slashes."""

TABLES = (
    ".csv",
    ".csv.gz",
    ".csv.bz2",
    ".csv.zst",
    ".tsv",
    ".parquet",
    ".arrow",
    ".feather",
    ".orc",
    ".json",
    ".xlsx",
)


def checked_source(source: object) -> Path | str | SqlSource | None:
    """Return a source as a path where it names a file, else as it is; refuse what cannot be recorded."""
    if source is None or isinstance(source, SqlSource):
        return source
    if not isinstance(source, str | Path):
        raise MalformedInput(
            f"source takes the path of a file, a URI, or sql_source(url, query), and not a {type(source).__name__}"
        )
    if isinstance(source, str) and source.lower().startswith("file://"):
        source = unquote(urlsplit(source).path)
    elif isinstance(source, str) and "://" in source:
        if not is_recorded(source):
            raise MalformedInput(
                "the source is a URI of a kind that is not recorded: name the file that it was saved to, or none"
            )
        return source
    return _file(source)


def _file(source: str | Path) -> Path:
    path, named = Path(source), repr(str(source))
    if isinstance(source, Path) and URL_IN_A_PATH.match(str(source)):
        raise MalformedInput("the source is a URL inside a Path: give it as text")
    if "\0" in str(source):
        raise MalformedInput("the source has a NUL in it, and no file's name has")
    if path.is_dir():
        raise MalformedInput(f"the source {named} is a folder: name the file that the table was read from")
    if path.exists() and not path.is_file():
        raise MalformedInput(f"the source {named} is a pipe or a device: name a file")
    return path


def refuse_name_of_file(name: str, value: object) -> None:
    """Refuse the name of a file where its table is meant: recorded as text, it would say nothing of what is in it."""
    if not isinstance(value, str | Path):
        return
    text = str(value)
    is_called_so = text.lower().endswith(TABLES) and not re.search(r"\s", text)
    if isinstance(value, Path) or is_called_so or _is_file(text):
        raise MalformedInput(
            f"{name} is the name of a file and not its table: read the file, and name it with source="
        )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False
