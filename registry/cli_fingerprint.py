"""Commands about the fingerprints of tables: fingerprint, key fingerprint."""

import os
import shlex
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from audit.canonical import Json
from audit.errors import AffidavitError, MalformedInput, NotFound
from audit.outputs import Kind
from audit.terminal import (
    Command,
    FileToWrite,
    NewPassphrase,
    bar,
    json_option,
    passphrase,
    print_json,
    print_table,
    say,
    warn,
)

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import JsonObject
    from registry.at_hand import AtHand
    from registry.diff import Difference
    from registry.fingerprint import Fingerprint
    from registry.fingerprint_key import FingerprintKey
    from registry.registry import Registry

__all__ = ["fingerprint", "fingerprint_key"]

Open = Callable[[], "Registry"]


def _is_filed(path: Path) -> bool:
    from registry.fingerprint_text import is_text

    return is_text(path)


UNREAD = " (as recorded: no data was read)"

FILED = Kind("a fingerprint", _is_filed)
_FILE = click.Path(path_type=Path)

_key_file = click.option(
    "--key-file",
    type=_FILE,
    help="The fingerprint key (default: the ledger's; else AFFIDAVIT_FINGERPRINT_KEY).",
)


@click.command(
    cls=Command,
    examples=[
        "affidavit fingerprint loanapp.csv",
        "affidavit fingerprint loanapp.csv -o loanapp.fingerprint",
        "affidavit fingerprint new.csv --against loanapp.fingerprint",
        "affidavit fingerprint new.parquet --against old.parquet --cells 50",
        "affidavit fingerprint new.parquet --against mortgage@3:applications --json",
        "affidavit fingerprint people.parquet --keyed born --keyed name",
        "affidavit fingerprint parts/*.parquet",
        "affidavit fingerprint mortgage@3:applications",
        "affidavit fingerprint mortgage@3:applications --against mortgage@2:applications",
    ],
)
@click.argument("paths", type=_FILE, nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--against",
    metavar="REF",
    help="Another file, a filed fingerprint, or a table of a version or an entry: NAME@VERSION:TABLE, 7:TABLE.",
)
@click.option(
    "--cells",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="With both tables at hand, list so many cells that differ.",
)
@click.option(
    "--no-values", is_flag=True, help="List cells by column and row alone, without what is in them."
)
@click.option(
    "-o",
    "output",
    type=FileToWrite(FILED),
    help="File the fingerprint as text, to be compared without the data.",
)
@click.option(
    "--keyed",
    multiple=True,
    metavar="COLUMN",
    help="Hash this column, or the one with a struct's field so named, with the key; repeat for several.",
)
@_key_file
@json_option
@click.pass_obj
def fingerprint(
    opened: Open,
    paths: tuple[Path, ...],
    against: str | None,
    cells: int,
    no_values: bool,
    output: Path | None,
    keyed: tuple[str, ...],
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Fingerprint data files, or compare one with another.

    PATH is a CSV, Parquet, Arrow, Feather or ORC file, or a folder of Parquet, Arrow or ORC parts that are one table.
    It may also be what REF may be, a filed fingerprint or NAME@VERSION:TABLE: that is shown as it was recorded, and no
    data is read.
    --against names what to compare it with. Where both are data, rows that were put in or taken out are told from
    changed ones, and the cells are listed.
    The exit status with --against is 0 when the tables are equal and 1 when they differ, or might.
    """
    keys = _Keyed(keyed, cache(lambda: _key(opened, key_file)))
    if len(paths) > 1:
        if against is not None or output is not None:
            raise MalformedInput("--against and -o take one table: give one PATH (a folder of parts is one)")
        _print_many(opened, paths, keys, as_json)
        return
    if against is not None:
        _compare(opened, paths[0], against, _Wanted(keys, cells, not no_values, output, as_json))
    found, recorded = _of(opened, paths[0], keys)
    if output is not None:
        _file(found, output)
    notes = [] if recorded else _notes(paths[0], found)
    if as_json:
        print_json(_document(found, recorded, notes))
    else:
        say(str(found))
        say(f"{found.rows} rows, {len(found.columns)} columns{UNREAD if recorded else ''}\n")
        _print_columns(found)
        for note in notes:
            say(f"\nNote: {note}")


@click.command(
    "fingerprint",
    cls=Command,
    examples=["affidavit key fingerprint --new", "affidavit key fingerprint --json"],
)
@click.option("--new", is_flag=True, help="Make the key; one that is there is never replaced.")
@_key_file
@json_option
@click.pass_obj
def fingerprint_key(opened: Open, new: bool, key_file: Path | None, as_json: bool) -> None:
    """Name the key of keyed fingerprints, or make it.

    Keep a copy: without the key no new table can be compared with the keyed columns of older ones. Whoever has it can
    try values out on them.
    """
    from audit.keystore import passphrase_from_environment
    from registry.fingerprint_key import NAME, create_key, read_key

    path = _key_path(opened, key_file)
    if new:
        secret = NewPassphrase(passphrase_from_environment)
        key = create_key(path, secret(NAME))
        secret.warn_of_none()
    else:
        key = read_key(path, passphrase(passphrase_from_environment))
    if as_json:
        print_json({"key": key.id, "path": str(path)})
    else:
        say(f"Fingerprint key {key.id} in {path}")


def _key_path(opened: Open, named: Path | None) -> Path:
    from registry.fingerprint_key import key_file_of

    from_environment = os.environ.get("AFFIDAVIT_FINGERPRINT_KEY")
    if named is not None or from_environment:
        return named or Path(str(from_environment))
    try:
        folder = opened().home.keys.folder
    except NotFound as error:
        raise NotFound(f"{error}; or name the key's file with --key-file") from None
    return key_file_of(folder)


def _key(opened: Open, named: Path | None) -> "FingerprintKey":
    from audit.keystore import passphrase_from_environment
    from registry.fingerprint_key import read_key

    return read_key(_key_path(opened, named), passphrase(passphrase_from_environment))


@dataclass(frozen=True, slots=True)
class _Keyed:
    """The columns that are to be keyed, and how the key is come by, which is read once it is needed."""

    names: tuple[str, ...]
    key: "Callable[[], FingerprintKey]"

    def of(self, path: Path) -> "tuple[tuple[str, ...], FingerprintKey | None]":
        """Return which columns of a file are to be keyed, and with what; the file is looked at first."""
        if not self.names:
            return (), None
        from registry.files import naming
        from registry.keying import columns_to_key

        with naming(path):
            columns = columns_to_key(path, self.names)
        return columns, self.key()

    def refuse_for(self, path: Path) -> None:
        """Refuse to key a table that was recorded or filed."""
        if self.names:
            raise MalformedInput(f"{path} was recorded with its columns keyed or not: --keyed is for data")


# --- one table, and several ---------------------------------------------------------------------------------


def _of(opened: Open, path: Path, keys: _Keyed) -> "tuple[Fingerprint, bool]":
    """Return the fingerprint of a table, and whether it is the recorded or filed one, so that nothing was read."""
    from registry.named_table import named_table

    found = named_table(opened, str(path))
    if isinstance(found, Path):
        return _of_file(found, keys), False
    keys.refuse_for(path)
    return found, True


def _of_file(path: Path, keys: _Keyed) -> "Fingerprint":
    from registry.files import naming
    from registry.fingerprint import fingerprint as fingerprint_of

    keyed, key = keys.of(path)
    with naming(path), bar(f"reading {path.name}") as progress:
        return fingerprint_of(
            path, keyed=keyed, key=key, progress=lambda done, total: progress(done, total or 0)
        )


def _notes(path: Path, found: "Fingerprint", among: Collection[str] | None = None) -> list[str]:
    from registry.file_notes import notes_on

    return notes_on(path, [column.name for column in found.columns], among)


def _file(found: "Fingerprint", output: Path) -> None:
    from audit.durable import replace_file
    from registry.fingerprint_text import to_text

    replace_file(output, to_text(found).encode(), mode=0o644)


def _print_many(opened: Open, paths: tuple[Path, ...], keys: _Keyed, as_json: bool) -> None:
    """Print a line for each file, as sha256sum does; one that cannot be read stops none of the others."""
    from registry.files import as_named

    documents: list[JsonObject] = []
    status = 0
    for path in paths:
        try:
            found, recorded = _of(opened, path, keys)
            notes = [] if recorded else _notes(path, found)
        except AffidavitError as error:
            named = as_named(path)
            warn(f"Error: {error if named in str(error) else f'{named}: {error}'}")
            documents.append({"path": named, "error": str(error)})
            status = status or error.exit_status
            continue
        documents.append({"path": str(path), **_document(found, recorded, notes)})
        if not as_json:
            say(f"{found}  {path}{UNREAD if recorded else ''}")
            for note in notes:
                warn(f"Note: {note}")
    if as_json:
        print_json({"files": documents})
    if status:
        raise SystemExit(status)


def _document(found: "Fingerprint", recorded: bool, notes: list[str]) -> "JsonObject":
    """Return the command's document; `recorded` is in it only where nothing was read, `notes` where there are some."""
    columns: list[Json] = [
        column.said(root=column.root, leaves=list[Json](column.leaves)) for column in found.columns
    ]
    said: JsonObject = {"fingerprint": str(found), "rows": found.rows, "columns": columns}
    return said | ({"recorded": True} if recorded else {}) | ({"notes": list[Json](notes)} if notes else {})


def _print_columns(found: "Fingerprint") -> None:
    headings, rows = ("Column", "Type", "Root"), [(c.name, c.type, c.root) for c in found.columns]
    if any(column.key is not None for column in found.columns):
        keys = [column.key or "-" for column in found.columns]
        print_table((*headings, "Key"), [(*row, key) for row, key in zip(rows, keys, strict=True)])
    else:
        print_table(headings, rows)


# --- compared with another -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How a comparison is to be made and shown."""

    keys: _Keyed
    cells: int
    values: bool
    output: Path | None
    as_json: bool


def _compare(opened: Open, path: Path, ref: str, wanted: _Wanted) -> NoReturn:
    """Say how the table of a file differs from another table, and end with 0 or 1."""
    from registry.named_table import named_table, recorded_source

    named, cells = [named_table(opened, each) for each in (ref, str(path))], None
    if all(isinstance(each, Path) for each in named):
        at_hand = [_at_hand(each, wanted) for each in named if isinstance(each, Path)]
        before, after = (each.fingerprint for each in at_hand)
    else:
        at_hand = []
        if not any(isinstance(each, Path) for each in named):
            wanted.keys.refuse_for(path)
        before, after = (_of_file(each, wanted.keys) if isinstance(each, Path) else each for each in named)
    if wanted.output is not None:
        _file(after, wanted.output)
    difference = before.diff(after)
    if at_hand and not difference.equal and wanted.cells:
        from registry.cells import cells_of

        cells = cells_of(*at_hand, most=wanted.cells)
    key = wanted.keys.key() if wanted.keys.names else None
    source = None if difference.equal else recorded_source(opened, path, ref, key)
    notes = [
        note
        for each, found in zip(named, (before, after), strict=True)
        if isinstance(each, Path) and not difference.equal
        for note in _notes(each, found, (*difference.added, *difference.removed))
    ]
    if wanted.as_json:
        said = None if cells is None else cells.to_json(values=wanted.values)
        more_said: JsonObject = {"notes": list[Json](notes)} if notes else {}
        print_json({**difference.to_json(), "cells": said, "recorded_source": source, **more_said})
    else:
        more = (
            [f"({reason})" for reason in difference.reasons()]
            if cells is None
            else cells.lines(values=wanted.values)
        )
        if source is not None:
            more = [*more, _copied(source, difference)]
        more += notes
        say("\n".join([*difference.lines(), *(f"  {line}" for line in more)]))
        if isinstance(named[0], Path) != isinstance(named[1], Path):
            data, other = (after, before) if isinstance(named[1], Path) else (before, after)
            if (hint := _how_to_key(data, other, difference.unknown)) is not None:
                say(hint)
    raise SystemExit(0 if difference.equal else 1)


def _copied(source: "JsonObject", difference: "Difference") -> str:
    """Say that the file is one that the run read, and what that means for the difference."""
    copy = f"the file is byte for byte {source['uri']}, the recorded source of the step {source['step']}"
    return copy if difference.only_unknown else f"{copy}: what differs is how it was read"


def _how_to_key(data: "Fingerprint", other: "Fingerprint", unknown: tuple[str, ...]) -> str | None:
    """Say how columns of a file are compared with keyed ones; None where none of them is keyed."""
    from registry.sentences import listed

    ours = {column.name: column.key for column in data.columns}
    keys = {column.name: column.key for column in other.columns if column.name in unknown and column.key}
    wanting = [name for name in keys if ours.get(name) is None]
    if wanting:
        keyed = [name for name, key in ours.items() if key is not None or name in wanting]
        options = " ".join(f"--keyed {shlex.quote(name)}" for name in keyed)
        return f"To compare them too, add {options}: the ledger's fingerprint key is taken by itself."
    if keys:
        here = next(ours.get(name) for name in keys)
        theirs = listed(sorted(set(keys.values())))
        return (
            f"They were recorded under the key {theirs}, and the one here is {here}: name it with --key-file."
        )
    return None


def _at_hand(path: Path, wanted: _Wanted) -> "AtHand":
    from registry.at_hand import AtHand
    from registry.files import naming

    keyed, key = wanted.keys.of(path)
    with naming(path), bar(f"reading {path.name}") as progress:
        return AtHand.of(
            path,
            keyed=keyed,
            key=key,
            progress=lambda done, total: progress(done, total or 0),
        )
