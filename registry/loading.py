"""Load a registered model: by the name of its version, from the file that a signed run names.

Rules:

- The run's entry is what says which file it is, so its signature is verified first: by a key that the ledger's grants,
  each verified as well, gave the role at that entry, and that is in no doubt. Then the file's digest, then the types in
  it (`registry.model_file`), the model last.
- The version that a stage has is what the newest decision that promoted says, which is verified as the run is; the
  newest version is the newest run that succeeded. The entries after those that the catalogue names are read for others.
- The number of a version is counted, by the catalogue. That no entry was cut off, and the rest of the ledger, only
  `affidavit verify` recomputes.
- Reading needs no key, and is no entry.

>>> load_model("mortgage@production").predict(rows)                       # doctest: +SKIP
"""

from collections.abc import Iterable
from typing import Any

from audit import tables
from audit.canonical import JsonObject
from audit.doubt import Doubts
from audit.errors import NotFound, NotPermitted, NotVerified
from audit.record import Entry
from registry.catalog import Catalogued, read_stage_moves
from registry.model_file import read_model
from registry.models import Models
from registry.registry import open_registry

__all__ = ["load_model"]


def load_model(
    ref: str, ledger: str | None = None, *, trusted: Iterable[str] = (), allow_pickle: bool = False
) -> Any:
    """Load the model of a version: ``NAME@VERSION``, ``NAME@STAGE`` or ``NAME@latest``; `ledger` is else the nearest.

    `trusted` names types in the file that you have reviewed beyond those that affidavit knows. A pickle runs its code
    when it is read, and is read only with `allow_pickle=True`. Either raises `NotPermitted` where it is not given and
    needed. Raises `NotVerified` where the run, the decision that promoted it or the file is not what was signed, or
    nobody knows who signed it, or where the entries say that the stage has another version, and `NotFound` where there
    is no such version, or it has no model.
    """
    registry = open_registry(ledger)
    try:
        found = registry.find(ref)
        run = registry.run_of(found)
        _check_signed(registry, registry.ledger.entry(found.seq))
        _check_named(registry, found, ref.partition("@")[2])
        described = run.get("model_file")
        if not isinstance(described, dict):
            raise NotFound(
                f"{found.model}@{found.version} has no model: no step of its run returned a fitted one"
            )
        return read_model(described, registry.artifacts, trusted=trusted, allow_pickle=allow_pickle)
    finally:
        registry.ledger.close()


def _check_signed(models: Models, entry: Entry) -> None:
    """Raise `NotVerified` where an entry's signature does not hold, or nobody knows who made it."""
    try:
        models.ledger.trust_before(entry.seq).permit(entry.envelope, entry.statement, entry.seq)
    except NotPermitted as error:
        raise NotVerified(f"entry {entry.seq} says what its signer may not: {error}") from None
    doubt = Doubts.of(models.ledger.trust().grants).about(entry.envelope, entry.seq)
    if doubt is not None:
        again = "record the run" if entry.kind == "run" else "promote the version"
        raise NotVerified(
            f"the {entry.kind} in entry {entry.seq} was signed with {doubt.words}: {again} again with another key"
        )


def _check_named(models: Models, found: Catalogued, which: str) -> None:
    """Raise `NotVerified` where the entries say that a stage, or the newest version, is another than was found."""
    if which == "latest":
        newer = _next(models, found.seq, "run", {"model": found.model, "status": "succeeded"})
        if newer is not None:
            raise _edited(found, which, newer)
    elif which in found.stages:
        _check_signed(models, _promotion(models, found, which))


def _promotion(models: Models, found: Catalogued, stage: str) -> Entry:
    """Read the newest decision that promoted a version of the model to the stage: it is about what was found."""
    said: JsonObject = {"model": found.model, "stage": stage, "decision": "promoted"}
    with tables.failures(), models.read() as connection:
        moves = read_stage_moves(connection, found.model, stage)
    if not moves:
        raise _edited(found, stage, None)
    newest = models.ledger.entry(moves[-1][0])
    newer = _next(models, newest.seq, "decision", said)
    runs = [subject.sha256 for subject in newest.statement.subjects]
    agrees = newest.kind == "decision" and _says(newest, said | {"version": found.version})
    if newer is not None or not agrees or runs != [found.leaf_hash]:
        raise _edited(found, stage, newer or newest)
    return newest


def _next(models: Models, seq: int, kind: str, said: JsonObject) -> Entry | None:
    """Find an entry after `seq` that says this."""
    newer = models.ledger.entries(kind=kind, since=seq + 1)
    return next((entry for entry in newer if _says(entry, said)), None)


def _says(entry: Entry, said: JsonObject) -> bool:
    return all(entry.statement.predicate.get(name) == value for name, value in said.items())


def _edited(found: Catalogued, which: str, entry: Entry | None) -> NotVerified:
    return NotVerified(
        f"the catalogue has version {found.version} for {found.model}@{which}, and "
        f"{'no entry says so' if entry is None else f'entry {entry.seq} says otherwise'}: its tables were edited, see "
        "`affidavit verify`; `affidavit ledger rebuild` learns them again"
    )
