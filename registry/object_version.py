"""The version of an object in an object store, as the store tells it (through obstore, the extra `s3`).

Rules:

- The object is asked about (HEAD) and never read, once, for at most `SECONDS`.
- A store may fail in any way, and its words may hold the URI: of a failure only the name of its class is told.
"""

from urllib.parse import urlsplit

from audit.canonical import JsonObject

__all__ = ["version_of"]

SECONDS = 5
"""How long an object store may take to answer."""


def version_of(uri: str) -> tuple[JsonObject | None, str | None]:
    """Ask an object store for the version of an object, without reading it; else say why there is none."""
    try:
        import obstore
        from obstore.store import from_url
    except ModuleNotFoundError:
        return None, "its version was not asked for: pip install 'affidavit[s3]'"
    parts = urlsplit(uri)
    try:
        store = from_url(
            f"{parts.scheme}://{parts.netloc}",
            client_options={"timeout": f"{SECONDS}s", "connect_timeout": f"{SECONDS}s", "allow_http": True},
            retry_config={"max_retries": 0},
        )
        found = obstore.head(store, parts.path.lstrip("/"))
    except Exception as error:
        return None, f"its version could not be told ({type(error).__name__})"
    return {
        "etag": found["e_tag"],
        "version": found["version"],
        "bytes": found["size"],
        "modified": found["last_modified"].isoformat(),
    }, None
