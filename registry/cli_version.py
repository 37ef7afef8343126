"""A version as `affidavit show` prints it: its run and figures, what was said about it, its data and their profiles."""

from typing import Final, cast

from audit.canonical import JsonObject
from audit.terminal import folded, print_table, say
from registry.changes import said_of_changes
from registry.cli_profile import print_profile, recorded_profiles, unprofiled_tables
from registry.cli_run import short
from registry.profile_text import promise
from registry.recorded import (
    after_of,
    bias_of,
    code_of,
    metrics_of,
    origins_of,
    parts_of_run,
    parts_of_step,
    steps_of,
)
from registry.registry import Registry

__all__ = ["print_version"]

MOST_PROFILES, MOST_COLUMNS = 3, 12
_SAID: Final = {
    "approval": "approvals",
    "decision": "decisions",
    "reproduction": "reproductions",
    "report": "reports",
}
_CLEAN: Final = {True: "with changes that were not committed", False: "clean", None: "not in a repository"}
_CHECKED: Final = {True: "passed", False: "failed", None: "could not be made"}


def print_version(registry: Registry, document: JsonObject) -> None:
    """Print the document of a version (`registry.documents.version_document`) for people."""
    run = cast(JsonObject, document["run"])
    _print_head(document, run)
    _print_figures(run)
    _print_said(document)
    _print_data(run)
    _print_profiles(registry, f"{document['model']}@{document['version']}", run)


def _print_head(document: JsonObject, run: JsonObject) -> None:
    stages = ", ".join(cast(list[str], document["stages"])) or "no stage"
    say(f"{document['model']}@{document['version']} ({stages})")
    say(f"entry {document['entry']}, {document['time']}, recorded by {document['recorded_by']}")
    code = code_of(run)
    state = _CLEAN[cast(bool | None, code["dirty"])]
    if untracked := code.get("untracked"):
        state += f", {untracked} untracked {'file' if untracked == 1 else 'files'}"
    say(f"code {code['commit'] or 'no commit'} ({state}), {code['target'] or 'record()'}")


def _print_figures(run: JsonObject) -> None:
    for figure in metrics_of(run):
        say(f"  {figure['name']:<28} {_interval(figure)}")
    for table, disparities in bias_of(run):
        say(f"\n  by {table['attribute']} ({_without_value(table)})")
        for figure in disparities:
            say(f"    {figure['name']:<30} {_interval(figure)}")
        for sentence in _noted(disparities):
            say(folded(f"    {sentence}", "      "))


def _without_value(table: JsonObject) -> str:
    """Say how many rows have no value, or that they are too few to be told by themselves."""
    if table["missing"] is not None:
        return f"{table['missing']} without a value"
    apart = table.get("missing_apart")
    return f"rows without a value are told with a group{f', {apart} more are not' if apart else ''}"


def _print_said(document: JsonObject) -> None:
    """Print what was said about a version, and which entries are in doubt."""
    said = [(kind, entry) for kind, many in _SAID.items() for entry in cast(list[JsonObject], document[many])]
    rows = [
        (
            entry["entry"],
            kind,
            entry.get("verdict") or entry.get("decision") or entry.get("template"),
            entry.get("stage") or "-",
            entry["signer"],
        )
        for kind, entry in sorted(said, key=lambda each: cast(int, each[1]["entry"]))
    ]
    if rows:
        say()
        print_table(("Entry", "Kind", "What", "Stage", "Signed by"), rows)
    for kind, entry in (("run", document), *said):
        for doubt in cast(list[str], entry["doubts"]):
            say(f"The {kind} in entry {entry['entry']} is in doubt: {doubt}")


def _print_data(run: JsonObject) -> None:
    """Print where data came from beside files, which checks were made of it, and what was kept."""
    rows: list[tuple[object, object, object]] = [
        ("origin", origin["uri"], f"{origin['kind']}, {origin['how']} in {origin['step']}")
        for origin in origins_of(run)
    ]
    for step in steps_of(run):
        rows += [
            ("check", check["part"], f"{_CHECKED[cast(bool | None, check['passed'])]}{_warned(check)}")
            for check in cast(list[JsonObject], step.get("checks") or [])
        ]
        rows += [
            ("kept", part["name"], kept["artifact"] or f"not: {kept['reason']}")
            for part in parts_of_step(step)
            if isinstance(kept := part.get("kept"), dict)
        ]
    if rows:
        say()
        print_table(("Data", "What", "Outcome"), rows)
    changed = said_of_changes(run)
    if changed:
        say()
    for sentence in changed:
        say(f"Changed: {sentence}.")


def _warned(check: JsonObject) -> str:
    """Say how many of the checks that failed only warn, so that the run went on."""
    warned = check.get("warned")
    return f" ({warned} that only warn{'s' if warned == 1 else ''})" if warned else ""


def _print_profiles(registry: Registry, name: str, run: JsonObject) -> None:
    """Print the profiles of the tables that came in from outside: what other steps returned is one command away."""
    found = recorded_profiles(registry, run)
    first = {
        str(part["name"])
        for step, part in parts_of_run(run)
        if not after_of(step) and step.get("kind") != "evaluate"
    }
    shown = [each for each in found if each in first][:MOST_PROFILES]
    for table in shown:
        say(f"\n{table}: {found[table].rows} rows")
        print_profile(found[table], MOST_COLUMNS)
        more = len(found[table].columns) - MOST_COLUMNS
        if more > 0:
            say(f"{more} more columns: affidavit profile {name}:{table}")
    for said in dict.fromkeys(promise(found[table]) for table in shown):
        say(f"\n{said}")
    for table, why in unprofiled_tables(run).items():
        if table in first:
            say(f"\n{table} is not profiled: {why}.")
    if found:
        say(f"Profiles were recorded of {', '.join(found)}: affidavit profile {name}:TABLE")


def _noted(figures: list[JsonObject]) -> list[str]:
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


def _interval(figure: JsonObject) -> str:
    if figure["value"] is None:
        # The rest of the note says which groups were left out, and stands below.
        return str(figure.get("note") or "not enough data").partition(";")[0]
    low, high = (
        short(float(str(figure[end]))) if figure[end] is not None else "?" for end in ("low", "high")
    )
    return f"{short(float(str(figure['value'])))}  ({low} to {high}, n={figure['n']})"
