"""Which anchors a ledger has: the file `anchors.json` in its folder.

::

    {
      "type": "urn:affidavit:anchors:v1",
      "file": "anchor.checkpoint",
      "timestamps": [{"url": "https://tsa.example/tsr", "policy": null, "certificate": "-----BEGIN ...",
                      "issuers": ["-----BEGIN ..."]}],
      "witnesses": [{"url": "https://witness.example/", "key": "witness.example/w1+a1b2c3d4+BAg..."}],
      "resets": [{"time": "2026-11-26T09:30:00.000000Z", "reason": "...", "note": "<the checkpoint given up>"}]
    }

Rules:

- Read strictly: no member more or less, none twice. A ledger made before there were anchors has no such file, and none.
- `file` is a path, relative to the ledger's folder; null for none. Inside the folder it guards against a restored
  backup and against nothing else, since it goes where the folder goes.
- The certificate of an authority is the one that signs its tokens. It is pinned here: a token by another one, under
  the same root, is not this authority's.
- A list that does not read stops every append, since nobody can tell which file the ledger must not fall behind; it
  stops no reading, and fails the verification of who believes it (`AnchorSettings.unread`).
- `resets` keeps every checkpoint that was given up for another history, and why. It is a trace, not a proof.

Who can write the ledger's folder can write this file. An auditor therefore brings one of their own.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from audit.anchor_file import AnchorFile
from audit.canonical import Json, JsonObject, utf8
from audit.cosignature import WitnessKey
from audit.durable import replace_file
from audit.errors import EnvironmentFailed, MalformedInput

__all__ = [
    "SETTINGS",
    "SKEW_SECONDS",
    "AnchorSettings",
    "Authority",
    "Reset",
    "WitnessAt",
    "check_url",
    "is_outside",
]

SETTINGS = "anchors.json"
SKEW_SECONDS = 600
"""How far the clock of an anchor may go before the clock at hand."""

_TYPE = "urn:affidavit:anchors:v1"
_MEND = "restore it from a copy, or, where there is none, begin it anew with `affidavit anchor reset --reason TEXT`"
_MOST_BYTES = 1_000_000
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Authority:
    """A time stamp authority: where it answers, and the certificate (PEM) that signs its tokens.

    `issuers` are the certificates above it, as PEM, the root among them; `policy` is the object identifier that its
    tokens must name, None for any.
    """

    url: str
    certificate: str
    issuers: tuple[str, ...] = ()
    policy: str | None = None

    def to_json(self) -> JsonObject:
        """Write the authority as a member of `timestamps`."""
        return {
            "url": self.url,
            "policy": self.policy,
            "certificate": self.certificate,
            "issuers": list[Json](self.issuers),
        }


@dataclass(frozen=True, slots=True)
class WitnessAt:
    """A witness: where it answers (its submission prefix), and its verifier key."""

    url: str
    key: WitnessKey

    def to_json(self) -> JsonObject:
        """Write the witness as a member of `witnesses`."""
        return {"url": self.url, "key": str(self.key)}


@dataclass(frozen=True, slots=True)
class Reset:
    """A checkpoint that was given up for another history: when, why, and the note itself."""

    time: str
    reason: str
    note: str

    def to_json(self) -> JsonObject:
        """Write the reset as a member of `resets`."""
        return {"time": self.time, "reason": self.reason, "note": self.note}


@dataclass(frozen=True, slots=True)
class AnchorSettings:
    """The anchors of one ledger; `unread` says why its list does not read, which anchors it names is unknown then."""

    file: str | None = None
    timestamps: tuple[Authority, ...] = ()
    witnesses: tuple[WitnessAt, ...] = ()
    resets: tuple[Reset, ...] = ()
    unread: str = ""

    def anchor_file(self, folder: Path) -> AnchorFile | None:
        """Return the anchor file of the ledger in a folder, None where there is none.

        Where the list does not read it is one that no ledger is appended beside.
        """
        if self.unread:
            return AnchorFile(folder / SETTINGS, unread=self.unread)
        if self.file is None:
            return None
        return AnchorFile(folder / self.file, outside=is_outside(folder / self.file, folder))

    def with_witness(self, witness: WitnessAt) -> "AnchorSettings":
        """Add a witness; `MalformedInput` where its name or its key is another one's."""
        for known in self.witnesses:
            if witness.key.name == known.key.name or witness.key.raw == known.key.raw:
                raise MalformedInput(
                    f"the witness {known.key.name} is an anchor already: `affidavit anchor list` shows the anchors"
                )
        return replace(self, witnesses=(*self.witnesses, witness))

    def with_authority(self, authority: Authority) -> "AnchorSettings":
        """Add a time stamp authority; `MalformedInput` where it is there already.

        One address may have several certificates, as they follow one another: the last is asked, all are believed.
        """
        if (authority.url, authority.certificate) in {(a.url, a.certificate) for a in self.timestamps}:
            raise MalformedInput(
                f"the authority {authority.url} is an anchor already: `affidavit anchor list` shows the anchors"
            )
        return replace(self, timestamps=(*self.timestamps, authority))

    def without(self, name: str) -> "AnchorSettings":
        """Take the anchor away that has this address or name; `MalformedInput` where there is none."""
        left = replace(
            self,
            file=None if name == self.file else self.file,
            timestamps=tuple(a for a in self.timestamps if a.url != name),
            witnesses=tuple(w for w in self.witnesses if name not in (w.url, w.key.name)),
        )
        if left == self:
            raise MalformedInput(
                f"no anchor is named {name!r}: `affidavit anchor list` shows the anchors with their names"
            )
        return left

    def to_bytes(self) -> bytes:
        """Write the settings as JSON that a person can read."""
        document: JsonObject = {
            "type": _TYPE,
            "file": self.file,
            "timestamps": list[Json](a.to_json() for a in self.timestamps),
            "witnesses": list[Json](w.to_json() for w in self.witnesses),
            "resets": list[Json](r.to_json() for r in self.resets),
        }
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()

    @classmethod
    def parse(cls, data: bytes) -> "AnchorSettings":
        """Read settings strictly; raise `MalformedInput`."""
        document = _document(utf8(data, "the list of anchors"))
        members = _members(document, "type", "file", "timestamps", "witnesses", "resets")
        if members["type"] != _TYPE:
            raise MalformedInput(f"a list of anchors has the type {_TYPE}")
        if members["file"] is not None:
            _text(members["file"], "file")
        settings = cls(file=members["file"], resets=_each(members["resets"], _reset))
        for authority in _each(members["timestamps"], _authority):
            settings = settings.with_authority(authority)
        for witness in _each(members["witnesses"], _witness):
            settings = settings.with_witness(witness)
        return settings

    @classmethod
    def read(cls, folder: Path) -> "AnchorSettings":
        """Read the settings of the ledger in a folder; no file is no anchors."""
        if not (folder / SETTINGS).exists():
            return cls()
        try:
            return cls.read_file(folder / SETTINGS)
        except MalformedInput as error:
            raise MalformedInput(f"{error}; {_MEND}") from None

    @classmethod
    def read_if_possible(cls, folder: Path) -> "AnchorSettings":
        """Read the settings of the ledger in a folder; where they do not read, return that, as `unread`."""
        try:
            return cls.read(folder)
        except (MalformedInput, EnvironmentFailed) as error:
            return cls(unread=str(error))

    @classmethod
    def read_file(cls, path: Path) -> "AnchorSettings":
        """Read settings from a file."""
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
            if len(data) > _MOST_BYTES:
                raise MalformedInput(f"it has more than {_MOST_BYTES:,} bytes")
            return cls.parse(data)
        except OSError as error:
            raise EnvironmentFailed(f"the list of anchors {path} cannot be read: {error.strerror}") from None
        except MalformedInput as error:
            raise MalformedInput(f"the list of anchors {path}: {error}") from None

    def write(self, folder: Path) -> None:
        """Write the settings of the ledger in a folder: whole and durable, or not at all."""
        try:
            replace_file(folder / SETTINGS, self.to_bytes(), 0o644)
        except OSError as error:
            raise EnvironmentFailed(
                f"the list of anchors {folder / SETTINGS} cannot be written: {error.strerror}"
            ) from None


_PLAIN_ADDRESS = re.compile(r"(?:[a-z]+:/*)?[A-Za-z0-9.-]*(?:/[A-Za-z0-9._/-]*)?")


def is_outside(path: Path, folder: Path) -> bool:
    """Say whether a path leads out of a ledger's folder, symbolic links followed."""
    # Where links go in a circle `Path.resolve` raises, before Python 3.13.
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def check_url(url: str) -> str:
    """Return the address of a service, or raise `MalformedInput`: http or https, with no password in it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        # One that could hold a password is not repeated.
        shown = repr(url) if _PLAIN_ADDRESS.fullmatch(url) else "that was given"
        raise MalformedInput(
            f"the address {shown} is not usable: give one that begins with http:// or https://"
        )
    if "@" in parts.netloc or parts.fragment:
        raise MalformedInput(
            "the address of an anchor holds no user, password or fragment: it is written into the ledger"
        )
    return url


def _authority(value: Any) -> Authority:
    members = _members(value, "url", "policy", "certificate", "issuers")
    policy = members["policy"]
    if policy is not None:
        _text(policy, "policy")
    return Authority(
        url=check_url(_text(members["url"], "url")),
        certificate=_text(members["certificate"], "certificate"),
        issuers=_each(members["issuers"], lambda issuer: _text(issuer, "issuers")),
        policy=policy,
    )


def _witness(value: Any) -> WitnessAt:
    members = _members(value, "url", "key")
    return WitnessAt(
        url=check_url(_text(members["url"], "url")), key=WitnessKey.parse(_text(members["key"], "key"))
    )


def _reset(value: Any) -> Reset:
    members = _members(value, "time", "reason", "note")
    return Reset(*(_text(members[name], name) for name in ("time", "reason", "note")))


def _document(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise MalformedInput("a member stands there twice")
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise MalformedInput(f"it is not JSON from line {error.lineno}, column {error.colno} on") from None
    except (ValueError, RecursionError):
        raise MalformedInput("it is not JSON") from None


def _members(value: Any, *names: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        raise MalformedInput(f"an object with exactly {', '.join(names)} is needed")
    return value


def _each(value: Any, read: Callable[[Any], _T]) -> tuple[_T, ...]:
    if not isinstance(value, list):
        raise MalformedInput("timestamps, witnesses, resets and issuers are lists")
    return tuple(read(item) for item in value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise MalformedInput(f"{name} is text, and not empty")
    return value
