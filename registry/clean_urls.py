"""URLs of databases, object stores, remotes of git and others, less their credentials.

Rules:

- No user, password, query string or fragment is left, and of host, database and path only what has the form of one.
- Of PostgreSQL's parameters the name of a service is told, since nothing else may say where the database is: what the
  service file says of it is not.
- A remote of git that is a folder is named by its last part alone.
- An embedded database is named from the working directory, or by the name of its file alone.

>>> clean_database("postgresql+psycopg://ana:hunter2@db.bank.example/loans?password=hunter3")
'postgresql+psycopg://db.bank.example/loans'
>>> clean_uri("s3://KEY:SECRET@bucket/loans.parquet?token=1")
's3://bucket/loans.parquet'
>>> clean_remote("https://alice:secret@example.org/team/models.git?token=1")
'https://example.org/team/models.git'
>>> clean_remote("git@example.org:team/models.git")
'example.org:team/models.git'
"""

import re
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import urlsplit

from registry.recorded_values import to_json
from registry.source_files import short_name

__all__ = ["clean_database", "clean_remote", "clean_uri", "scheme_of"]

_HOST = re.compile(r"(?:[\w.\-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?")
_SERVICE = re.compile(r"[\w.\-]{1,255}")
_CONTAINER = re.compile(r"[a-z0-9](?:[a-z0-9]|-(?!-)){2,62}")
_PLACE = re.compile(r"[\w.\-/+=%$ ]{0,1024}")


def clean_database(url: Any) -> str:
    """Write a database's URL less its credentials; what has not the form of a host or a database is left out."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        port = parsed.port
    except (ArgumentError, ValueError):
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+._-]*(?=://)", str(url))
        return f"{scheme[0] if scheme else 'database'}://"
    database = parsed.database or ""
    if parsed.drivername.startswith(("sqlite", "duckdb")):
        return f"{parsed.drivername}:///{_file(database)}"
    named = parsed.host or ""
    host = _formed(_HOST, f"[{named}]" if ":" in named else named) + (f":{port}" if port is not None else "")
    return f"{parsed.drivername}://{host}/{_formed(_PLACE, database)}{_service(parsed)}"


def _service(url: Any) -> str:
    """Name the service (libpq, "The Connection Service File") that says where a PostgreSQL database is."""
    named = url.query.get("service") if url.drivername.startswith("postgresql") else None
    name = _formed(_SERVICE, named) if isinstance(named, str) else ""
    return f"?service={name}" if name else ""


def clean_uri(uri: str) -> str:
    """Write a URI less user, password, query and fragment; what has not the form of a host or a path is left out."""
    if not scheme_of(uri):
        return f"{uri.partition('://')[0]}://"
    parts = urlsplit(uri)
    user, _, host = parts.netloc.rpartition("@")
    # What stands there is the container (abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH), and no user.
    container = _formed(_CONTAINER, user) if parts.scheme in ("abfs", "abfss") else ""
    host = (f"{container}@" if container else "") + _formed(_HOST, host)
    return f"{parts.scheme}://{host}{_formed(_PLACE, parts.path)}"


def clean_remote(url: str) -> str | None:
    """Return a remote without anything that may be a credential; None where it cannot be told apart."""
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*::", url):
        return None  # a remote helper's address may hold a command line
    if "://" in url:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return None
        if parts.scheme == "file":
            return f"file:{PurePosixPath(parts.path).name}"
        # An @ that is left over can be the rest of a password with a slash in it.
        if not host or "@" in parts.path:
            return None
        host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.partition(';')[0]}"
    scp = re.fullmatch(r"(?:[^/]*@)?([^/:@]+:[^@]*)", url)
    if scp and not re.match(r"[a-zA-Z]:\\", url):
        return re.split(r"[?#]", scp[1])[0]
    # Both kinds of slash: a path of Windows names a person as well.
    return None if "@" in url else f"file:{PureWindowsPath(url).name}"


def scheme_of(uri: str) -> str:
    """Return the scheme of a URI; nothing where it cannot be taken apart."""
    try:
        return urlsplit(uri).scheme
    except ValueError:
        return ""


def _formed(form: re.Pattern[str], text: str) -> str:
    """Return what has a form and holds no secret that can be told by its own, else nothing."""
    return text if form.fullmatch(text) and to_json("place", text) == text else ""


def _file(database: str) -> str:
    """Name the file of an embedded database from the working directory, or by its name alone."""
    name = re.split("[?;#]", database.removeprefix("file:"), maxsplit=1)[0]
    if not name or name == ":memory:":
        return name
    short = short_name(Path(name))
    return short if to_json("place", short) == short else ""
