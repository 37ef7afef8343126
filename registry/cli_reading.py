"""Commands that only read: log, show, compare."""

import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, cast

import click

from audit.errors import MalformedInput, NotFound
from audit.terminal import (
    Command,
    folded,
    json_option,
    print_json,
    print_table,
    say,
)
from registry.cli_run import short

# What the commands need is imported inside them: `affidavit --help` loads none of it.
if TYPE_CHECKING:
    from audit.canonical import JsonObject
    from registry.registry import Registry

__all__ = ["compare", "log", "show"]

Open = Callable[[], "Registry"]
MOST_PROFILES, MOST_COLUMNS = 3, 12
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
    from registry.documents import entry_document, version_document

    registry = opened()
    if ref.startswith("affidavit-"):
        _show_fingerprint(registry, ref, as_json)
    elif "@" in ref:
        document = version_document(registry, registry.find(ref))
        if as_json:
            print_json(document)
        else:
            _print_version(document)
            _print_data(cast("JsonObject", document["run"]))
            _print_profiles(registry, document)
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
                    {"what": r.what, "name": r.name, "first": r.first, "second": r.second} for r in different
                ],
            }
        )
    elif different:
        shown = [(r.what, r.name, *_brief(r.what, r.first, r.second)) for r in different]
        print_table(("What", "Name", first, second), shown)
        say(f"\n{len(rows) - len(different)} more are the same.")
    else:
        say(f"{first} and {second} do not differ in any of {len(rows)} recorded values.")
    raise SystemExit(1 if different else 0)


def _print_version(document: "JsonObject") -> None:
    stages = ", ".join(cast(list[str], document["stages"])) or "no stage"
    say(f"{document['model']}@{document['version']} ({stages})")
    say(f"entry {document['entry']}, {document['time']}, recorded by {document['recorded_by']}")
    run_said = cast("JsonObject", document["run"])
    code = cast("JsonObject", run_said["code"])
    clean = {True: "with changes that were not committed", False: "clean", None: "not in a repository"}
    state = clean[cast(bool | None, code["dirty"])]
    if untracked := cast(int | None, code.get("untracked")):
        state += f", {untracked} untracked {'file' if untracked == 1 else 'files'}"
    say(f"code {code['commit'] or 'no commit'} ({state}), {code['target'] or 'record()'}")
    for figure in _figures(run_said):
        say(f"  {figure['name']:<28} {_interval(figure)}")
    for table in cast(list["JsonObject"], document["bias"]):
        say(f"\n  by {table['attribute']} ({table['missing']} without a value)")
        disparities = cast(list["JsonObject"], table["disparities"])
        for figure in disparities:
            say(f"    {figure['name']:<30} {_interval(figure)}")
        for sentence in _noted(disparities):
            say(folded(f"    {sentence}", "      "))
    rows = [
        (
            e["entry"],
            kind,
            e.get("verdict") or e.get("decision") or e.get("template"),
            e.get("stage") or "-",
            e["signer"],
        )
        for kind, many in (
            ("approval", "approvals"),
            ("decision", "decisions"),
            ("reproduction", "reproductions"),
            ("report", "reports"),
        )
        for e in cast(list["JsonObject"], document[many])
    ]
    if rows:
        say()
        print_table(
            ("Entry", "Kind", "What", "Stage", "Signed by"), sorted(rows, key=lambda row: cast(int, row[0]))
        )
    for kind, about in (
        ("run", [document]),
        *((kind[:-1], document[kind]) for kind in ("approvals", "decisions", "reproductions", "reports")),
    ):
        for e in cast(list["JsonObject"], about):
            for doubt in cast(list[str], e["doubts"]):
                say(f"The {kind} in entry {e['entry']} is in doubt: {doubt}")


def _print_data(run_said: "JsonObject") -> None:
    """Print where data came from beside files, which checks were made of it, and what was kept."""
    from registry.changes import said_of_changes
    from registry.recorded import parts_of_step, steps_of

    outcomes = {True: "passed", False: "failed", None: "could not be made"}
    rows: list[tuple[object, object, object]] = [
        ("origin", origin["uri"], f"{origin['kind']}, {origin['how']} in {origin['step']}")
        for origin in cast(list["JsonObject"], run_said.get("origins") or [])
    ]
    for step in steps_of(run_said):
        rows += [
            ("check", check["part"], f"{outcomes[cast(bool | None, check['passed'])]}{_warned(check)}")
            for check in cast(list["JsonObject"], step.get("checks") or [])
        ]
        rows += [
            ("kept", part["name"], kept["artifact"] or f"not: {kept['reason']}")
            for part in parts_of_step(step)
            if isinstance(kept := part.get("kept"), dict)
        ]
    if rows:
        say()
        print_table(("Data", "What", "Outcome"), rows)
    changed = said_of_changes(run_said)
    if changed:
        say()
    for sentence in changed:
        say(f"Changed: {sentence}.")


def _warned(check: "JsonObject") -> str:
    """Say how many of the checks that failed only warn, so that the run went on."""
    warned = check.get("warned")
    return f" ({warned} that only warn{'s' if warned == 1 else ''})" if warned else ""


def _print_profiles(registry: "Registry", document: "JsonObject") -> None:
    """Print the profiles of the tables that came in from outside: what other steps returned is one command away."""
    from registry.cli_profile import print_profile, recorded_profiles, unprofiled_tables
    from registry.profile_text import promise
    from registry.recorded import parts_of_run

    run_said = cast("JsonObject", document["run"])
    found = recorded_profiles(registry, run_said)
    first = {
        str(part["name"])
        for step, part in parts_of_run(run_said)
        if not step["after"] and step.get("kind") != "evaluate"
    }
    name = f"{document['model']}@{document['version']}"
    shown = [each for each in found if each in first][:MOST_PROFILES]
    for table in shown:
        say(f"\n{table}: {found[table].rows} rows")
        print_profile(found[table], MOST_COLUMNS)
        more = len(found[table].columns) - MOST_COLUMNS
        if more > 0:
            say(f"{more} more columns: affidavit profile {name}:{table}")
    for said in dict.fromkeys(promise(found[table]) for table in shown):
        say(f"\n{said}")
    for table, why in unprofiled_tables(run_said).items():
        if table in first:
            say(f"\n{table} is not profiled: {why}.")
    if found:
        say(f"Profiles were recorded of {', '.join(found)}: affidavit profile {name}:TABLE")


def _is_mentioned(registry: "Registry", model: str) -> bool:
    return any(entry.statement.predicate.get("model") == model for entry in registry.ledger.entries())


def _figures(run_said: "JsonObject") -> list["JsonObject"]:
    evaluation = run_said.get("evaluation")
    return cast(list["JsonObject"], evaluation["metrics"]) if isinstance(evaluation, dict) else []


def _noted(figures: list["JsonObject"]) -> list[str]:
    """Say what the evaluation notes of figures, above all which groups they leave out: once for all that it is of."""
    of: dict[str, list[str]] = {}
    for figure in figures:
        first, _, rest = str(figure.get("note") or "").partition("; ")
        # Why there is no value stands where the value would.
        note = rest if figure["value"] is None else "; ".join(filter(None, (first, rest)))
        if note:
            of.setdefault(note, []).append(str(figure["name"]))
    return [
        note if len(names) == len(figures) else f"{', '.join(names)}: {note}" for note, names in of.items()
    ]


def _interval(figure: "JsonObject") -> str:
    if figure["value"] is None:
        # The rest of the note says which groups were left out, and stands below.
        return str(figure.get("note") or "not enough data").partition(";")[0]
    low, high = (
        short(float(str(figure[end]))) if figure[end] is not None else "?" for end in ("low", "high")
    )
    return f"{short(float(str(figure['value'])))}  ({low} to {high}, n={figure['n']})"


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
