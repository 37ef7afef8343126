"""Rules about privacy: what the record tells of columns about people, in fingerprints, profiles and kept copies.

Rules:

- What is judged are the documents that a run names: the fingerprint of every table says which of its columns are keyed,
  its profile what is told of them. Each is held against its digest, and a fingerprint against the name that the run
  gives it. What cannot be read is `missing`, and so is a run that does not tell of every column that the rule is about:
  a name that nothing has may be misspelt.
- A copy of a table that was kept holds all of it in clear: it fails, unless the rule has `kept: all`.
- A column that is made of a protected one by its name (`race_black`) is one of them, and so is a field of a struct,
  which is keyed with its column. In a kept copy the index of a pandas table is one too. A column that was renamed
  otherwise is not recognised, and neither is what stands in a value that is no table.
- A rule that asks for keyed fingerprints asks it of all that is digested of a run's data (`registry.keyed_digests`): a
  source file with a bare SHA-256, an object with a bare etag, a value with a bare digest, and a column without a name
  that is not keyed fail it, since nobody can tell what of them is about people.
- What bias tells of groups by these columns is told with at least so many rows (`registry.told_together`). A run of an
  earlier release told every group: it fails where one was smaller, and else it is not known what its figures give away.
- Figures that are told at all hold the small-cell rule (`registry.disclosure`), whatever the rule allows. A profile
  whose columns are not those of its table's fingerprint is the profile of something else.

>>> born = TableTold("people", "load", (("born", False),), (("born", "missing"),))
>>> judge_privacy(PrivacyRule(id="r", says="", clauses=(), columns=("born",), fingerprint="keyed"), {}, [born]).outcome
'failed'
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from audit.canonical import Json, decode
from audit.errors import AffidavitError, EnvironmentFailed, NotVerified
from registry.artifacts import ArtifactStore
from registry.disclosure import SMALL_CELL
from registry.finding import AbsentError, Finding, at, count, items, text
from registry.keyed_digests import is_bare_value
from registry.profile import LEVELS, ColumnProfile, Level, Profile
from registry.protected_names import is_nameless, is_protected, names_of
from registry.recorded_fingerprint import recorded_fingerprint
from registry.recorded_sources import is_keyed_source
from registry.rules import PrivacyRule
from registry.sentences import listed

if TYPE_CHECKING:
    from registry.fingerprint import Fingerprint

__all__ = ["TableTold", "judge_privacy", "tables_told"]


MARKS = (("fingerprint",), ("document",), ("profile",), ("kept", "artifact"))
"""What a part says of its table, and where it says it."""


@dataclass(frozen=True, slots=True)
class TableTold:
    """What the record tells of one table: its columns and whether each is keyed, and how much is told of each.

    `unread` says why that is not known. `rare` names the columns of which a small cell is told. `kept` says that a copy
    of the table was kept, wherever that copy is now.
    """

    name: str
    step: str
    columns: tuple[tuple[str, bool], ...] = ()
    told: tuple[tuple[str, Level], ...] = ()
    rare: tuple[str, ...] = ()
    unread: str | None = None
    kept: bool = False
    index: tuple[str, ...] = ()
    """The names of the index that a kept copy has."""
    nameless: bool = False
    """A column without a name is not keyed."""


def tables_told(run: Mapping[str, Json], artifacts: ArtifactStore) -> tuple[TableTold, ...]:
    """Read what a run's documents tell of its tables; raise `EnvironmentFailed` where the store is out of reach."""
    found: dict[tuple[Json, ...], TableTold] = {}
    # What another step received is told once, where it came out, unless it was changed on the way.
    for step, part in (*_tables(run, "outputs"), *_tables(run, "inputs")):
        mark = tuple(cast(Json, at(part, *path)) for path in MARKS)
        if not any(_tells(other, mark) for other in found):
            found[mark] = _told(step, part, artifacts)
    return tuple(found.values())


def _tables(run: Mapping[str, Json], side: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the tables that steps returned, or received, each after the name of its step."""
    for step in items(run.get("steps")):
        yield from (
            (str(step.get("name")), part) for part in items(step.get(side)) if part.get("kind") == "table"
        )


def judge_privacy(rule: PrivacyRule, run: Mapping[str, Json], tables: Sequence[TableTold]) -> Finding:
    """Judge a privacy rule; raise `AbsentError` where what it needs is not there."""
    names = rule.columns or _protected(run)
    wrong = [sentence for table in tables for sentence in _wrong(rule, names, table)]
    wrong += _bare(run) if rule.fingerprint else ()
    wrong += _small_groups(rule, names, run)
    if wrong:
        return Finding(
            "failed",
            f"{listed(wrong, '; ')}: run it again under this policy, with no protected data kept, and name the column "
            "in protected=[...]",
        )
    unread = [f"{table.name} (step {table.step}): {table.unread}" for table in tables if table.unread]
    if unread:
        raise AbsentError(f"not all that the run recorded of its tables can be read: {listed(unread, '; ')}")
    if not tables:
        raise AbsentError("no table is recorded by fingerprint: pass the data between steps as tables")
    seen = {column for table in tables for column, _ in table.columns if is_protected(column, names)}
    lacking = [name for name in names if not any(is_protected(each, [name]) for each in seen)]
    if lacking:
        who = "the rule" if rule.columns else "the run"
        raise AbsentError(
            f"no table of the run has a column called {listed(lacking, ' or ')}, which {who} names: it may have "
            "another name there, and what the run tells of it is not known"
        )
    return Finding("passed", f"{listed(sorted(seen))}: {' and '.join(_upheld(rule))}")


def _upheld(rule: PrivacyRule) -> Iterator[str]:
    """Say what of a rule a run upheld."""
    if rule.fingerprint:
        yield "fingerprints, values and source files are keyed"
    if rule.profile:
        yield f"profiles tell {_words(rule.profile)} at most"
    if rule.smallest_group:
        yield f"bias tells no group of fewer than {rule.smallest_group} rows"
    if rule.kept != "all":
        yield "no table with them was kept"


def _protected(run: Mapping[str, Json]) -> tuple[str, ...]:
    """Name the columns that the run says it protected."""
    said = at(run, "privacy", "protected")
    if not isinstance(said, list):
        raise AbsentError(
            "the run does not say which columns it protected: run it again, or name the columns in the rule"
        )
    names = tuple(name for name in map(text, said) if name is not None)
    if not names:
        raise AbsentError(
            "the run protected no column: name some in the rule, in Pipeline(protected=[...]) or in "
            "evaluate(sensitive=[...])"
        )
    return names


def _wrong(rule: PrivacyRule, names: Sequence[str], table: TableTold) -> Iterator[str]:
    """Say what a table gives away that the rule does not allow."""
    where = f"{table.name} (step {table.step})"
    bare = [column for column, keyed in table.columns if not keyed and is_protected(column, names)]
    if rule.fingerprint and bare:
        yield f"{listed(bare)} in {where} was fingerprinted without a key"
    elif rule.fingerprint and table.nameless:
        yield f"a column without a name in {where} was fingerprinted without a key"
    held = [
        name for name in (*(name for name, _ in table.columns), *table.index) if is_protected(name, names)
    ]
    if rule.kept != "all" and table.kept and held:
        yield f"a copy of {where} was kept, with {listed(held)}"
    if rule.profile is None:
        return
    for column, level in table.told:
        if is_protected(column, names) and LEVELS.index(level) > LEVELS.index(rule.profile):
            yield f"the profile of {where} tells {_words(level)} of {column}"
    rare = [column for column in table.rare if is_protected(column, names)]
    if rare:
        yield f"the profile of {where} tells of fewer than {SMALL_CELL} rows in {listed(rare)}"


def _bare(run: Mapping[str, Json]) -> Iterator[str]:
    """Say what else of the data stands by a digest that takes no key."""
    for source in items(run.get("sources")):
        if not is_keyed_source(cast(Mapping[str, Json], source)):
            yield f"the file {source.get('uri')} (step {source.get('step')}) is recorded by its bare SHA-256"
    for origin in items(run.get("origins")):
        if at(origin, "version", "etag") is not None:
            yield f"the object {origin.get('uri')} (step {origin.get('step')}) is recorded by its bare etag"
    for step in items(run.get("steps")):
        for part in items(step.get("outputs")):
            if is_bare_value(part):
                yield f"the value {part.get('name')} (step {step.get('name')}) is digested without a key"


def _small_groups(rule: PrivacyRule, names: Sequence[str], run: Mapping[str, Json]) -> Iterator[str]:
    """Say by which of the columns bias tells smaller groups than the rule allows; raise `AbsentError` if it may."""
    least, said = rule.smallest_group, at(run, "evaluation", "small_cell")
    if least is None:
        return
    for table in items(at(run, "evaluation", "bias")):
        of = str(table.get("attribute"))
        columns = table.get("columns")
        if not any(
            is_protected(str(each), names) for each in (columns if isinstance(columns, list) else [of])
        ):
            continue
        rows = [n for group in items(table.get("groups")) if (n := count(group.get("n"))) is not None]
        if any(n < least for n in rows) or (isinstance(said, int) and said < least):
            yield f"bias by {of} tells of groups of fewer than {least} rows"
        elif not isinstance(said, int):
            raise AbsentError(
                f"the run does not say whether bias by {of} gives groups of fewer than {least} rows away: run it again"
            )


def _words(level: Level) -> str:
    return {
        "nothing": "nothing",
        "missing": "the share of missing values",
        "counts": "counts",
        "all": "all figures",
    }[level]


def _tells(other: Sequence[Json], mark: Sequence[Json]) -> bool:
    """Say whether one part tells all that another tells: the same table, and its profile and copy where it has them."""
    return other[:2] == mark[:2] and all(each in (None, told) for each, told in zip(mark, other, strict=True))


def _told(step: str, part: Mapping[str, object], artifacts: ArtifactStore) -> TableTold:
    name, kept = str(part.get("name")), at(part, "kept", "artifact") is not None
    said = at(part, "kept", "index")
    index = tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()
    try:
        table = recorded_fingerprint(part, artifacts)
        alone = len(table.columns) == 1
        columns = tuple(
            (called, column.key is not None)
            for column in table.columns
            for each in column.names
            for called in names_of(each, name, alone=alone)
        )
        profile = part.get("profile")
        shown = None if profile is None else Profile.from_json(decode(artifacts.get(str(profile))))
        if shown is not None and not _is_of(shown, table):
            raise NotVerified("its profile is that of another table")
    except EnvironmentFailed:
        raise
    except AffidavitError as error:
        return TableTold(name, step, unread=str(error))
    nameless = any(is_nameless(column.name) and column.key is None for column in table.columns)
    if shown is None:
        return TableTold(name, step, columns, kept=kept, index=index, nameless=nameless)
    told = tuple(
        (called, column.told) for column in shown.columns for called in shown.names_in(column.name, name)
    )
    rare = tuple(
        called
        for column in shown.columns
        for called in shown.names_in(column.name, name)
        if column.told in ("counts", "all")
        and (shown.small_cell < SMALL_CELL or any(0 < rows < SMALL_CELL for rows in _cells(column)))
    )
    return TableTold(name, step, columns, told, rare, kept=kept, index=index, nameless=nameless)


def _cells(column: ColumnProfile) -> Iterator[int]:
    """Yield the numbers of rows that a profile tells of the values of a column."""
    yield from (rows for _, rows in column.values)
    # What is hidden is told as well, together.
    yield column.hidden_rows or 0


def _is_of(shown: Profile, table: "Fingerprint") -> bool:
    """Say whether a profile is of the table of a fingerprint, as far as names, types and rows tell."""
    told = [(column.name, column.type) for column in table.columns[: len(shown.columns)]]
    return (
        told == [(column.name, column.type) for column in shown.columns]
        and len(table.columns) == len(shown.columns) + shown.omitted
        and shown.rows == table.rows
    )
