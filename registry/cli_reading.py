"""Commands that only read: log, show, compare."""

import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

import click

from audit.errors import MalformedInput, NotFound
from audit.terminal import (
    Command,
    json_option,
    print_json,
    print_table,
    say,
)

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from registry.registry import Registry

__all__ = ["compare", "log", "show"]

Open = Callable[[], "Registry"]
_DIGEST = re.compile(r"(?:affidavit-(?:table|model|object)-v\d:sha256:)?\b([0-9a-f]{12})[0-9a-f]{28,}\b")
_FIGURE = re.compile(r"\b\d\.\d{5,}\b")
_ANY_FIGURE = re.compile(r"\b\d\.\d+\b")


@click.command(
    cls=Command, examples=["affidavit log", "affidavit log --model mortgage --kind decision -n 5 --json"]
)
@click.option("--model", help="Only entries about this model.")
@click.option("--kind", help="Only entries of this kind: run, approval, decision, ...")
@click.option("-n", "most", type=click.IntRange(1, 10**9), help="At most so many.")
@json_option
@click.pass_obj
def log(opened: Open, model: str | None, kind: str | None, most: int | None, as_json: bool) -> None:
    """List the ledger's entries, newest first."""
    from audit.trust import MAY_SAY
    from registry.documents import log_documents

    if kind is not None and kind not in MAY_SAY:
        raise MalformedInput(f"there is no kind {kind!r}: the kinds are {', '.join(MAY_SAY)}")
    registry = opened()
    entries = (
        entry
        for entry in registry.ledger.entries(kind=kind, newest_first=True)
        if model is None or entry.statement.predicate.get("model") == model
    )
    rows = list(islice(log_documents(registry, entries), most))
    if not rows and model is not None and not _is_mentioned(registry, model):
        raise NotFound(f"no entry of this ledger is about a model {model!r}: `affidavit log` lists them all")
    if as_json:
        print_json({"entries": rows})
        return
    shown = [
        (
            r["seq"],
            str(r["time"])[:19].replace("T", " "),
            r["kind"],
            r["signer"],
            str(r["leaf_hash"])[:12],
            r["summary"],
        )
        for r in rows
    ]
    print_table(("Entry", "Time (UTC)", "Kind", "Signed by", "Leaf hash", "Summary"), shown)


@click.command(
    cls=Command, examples=["affidavit show mortgage@1", "affidavit show 7 --json", "affidavit show 3f9ac2d1"]
)
@click.argument("ref")
@json_option
@click.pass_obj
def show(opened: Open, ref: str, as_json: bool) -> None:
    """Show an entry, a version or a fingerprint.

    REF is an entry's number or the start of its leaf hash, NAME@VERSION, NAME@STAGE or NAME@latest, or a whole
    fingerprint, for which the versions that hold it are listed.
    """
    from registry.cli_version import print_version
    from registry.documents import entry_document, version_document

    registry = opened()
    if ref.startswith("affidavit-"):
        _show_fingerprint(registry, ref, as_json)
    elif "@" in ref:
        document = version_document(registry, registry.find(ref))
        if as_json:
            print_json(document)
        else:
            print_version(registry, document)
    else:
        entry = registry.named_entry(ref)
        document = entry_document(registry, entry)
        if as_json:
            print_json(document)
        else:
            say(f"Entry {entry.seq} ({entry.kind}), {entry.time}, signed by {document['signer']}")
            say(f"leaf hash {entry.leaf_hash}")
            say(f"{document['summary']}\n")
            print_json(document["predicate"])


@click.command(cls=Command, examples=["affidavit compare mortgage@1 mortgage@2"])
@click.argument("first")
@click.argument("second")
@json_option
@click.pass_obj
def compare(opened: Open, first: str, second: str, as_json: bool) -> None:
    """Compare two versions.

    Parameters, metrics, bias, data and its profiles, code and environment, side by side.
    The exit status is 0 when nothing differs and 1 when something does.
    """
    from registry.compare import compare_versions
    from registry.compare_profiles import profile_rows

    registry = opened()
    runs = (registry.run_of(registry.find(first)), registry.run_of(registry.find(second)))
    rows = [*compare_versions(*runs), *profile_rows(*runs, registry.artifacts)]
    different = [row for row in rows if row.first != row.second]
    if as_json:
        print_json(
            {
                "equal": not different,
                "differences": [
                    {"what": r.what, "name": r.name, "first": r.first, "second": r.second}
                    | ({"unknown": True} if r.is_untold else {})
                    for r in different
                ],
            }
        )
    elif different:
        shown = [(r.what, r.name, *_brief(r.what, r.first, r.second)) for r in different]
        print_table(("What", "Name", first, second), shown)
        say(f"\n{len(rows) - len(different)} more are the same.")
        if untold := [f"{row.what} {row.name}" for row in different if row.is_untold]:
            say(
                f"Not digested under one key, so that nobody can tell whether they differ: {', '.join(untold)}."
            )
    else:
        say(f"{first} and {second} do not differ in any of {len(rows)} recorded values.")
    raise SystemExit(1 if different else 0)


def _is_mentioned(registry: "Registry", model: str) -> bool:
    return any(entry.statement.predicate.get("model") == model for entry in registry.ledger.entries())


def _brief(what: str, first: str | None, second: str | None) -> tuple[str, str]:
    """Shorten digests and round figures for people, unless the difference would be lost."""
    whole = tuple("-" if value is None else value for value in (first, second))
    # Of metrics every figure has as many decimals as the next; a parameter is shown as it was written.
    figure = _ANY_FIGURE if what in ("metric", "bias") else _FIGURE
    short = tuple(
        figure.sub(lambda found: f"{float(found[0]):.4f}", _DIGEST.sub(lambda found: f"{found[1]}…", value))
        for value in whole
    )
    left, right = short if short[0] != short[1] else whole
    return left, right


def _show_fingerprint(registry: "Registry", ref: str, as_json: bool) -> None:
    """Say where a fingerprint occurs."""
    from registry.recorded import parts_of_run

    rows = [
        (f"{found.model}@{found.version}", str(part["name"]), part["rows"])
        for found in registry.versions()
        for _, part in parts_of_run(registry.run_of(found))
        if part["fingerprint"] == ref
    ]
    if not rows:
        raise NotFound(f"no version in this ledger has a part with the fingerprint {ref}")
    if as_json:
        print_json({"fingerprint": ref, "found": [{"version": v, "name": n, "rows": r} for v, n, r in rows]})
    else:
        print_table(("Version", "Part", "Rows"), rows)
