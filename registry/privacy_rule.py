"""Rules about privacy: what the record tells of columns about people, in fingerprints, profiles and kept copies.

Rules:

- What is judged are the documents that a run names (`registry.tables_told`): the fingerprint of every table says which
  of its columns are keyed, its profile what is told of them. What cannot be read is `missing`, and so is a run that
  does not tell of every column that the rule is about: a name that nothing has may be misspelt.
- A copy of a table that was kept holds all of it in clear: it fails, unless the rule has `kept: all`.
- A column that is made of a protected one by its name (`race_black`) is one of them, and so is a field of a struct,
  which is keyed with its column. In a kept copy the index of a pandas table is one too. A column that was renamed
  otherwise is not recognised, and neither is what stands in a value that is no table.
- A rule that asks for keyed fingerprints asks it of all that is digested of a run's data (`registry.keyed_digests`): a
  source file with a bare SHA-256, an object with a bare etag, a value with a bare digest, and a column without a name
  that is not keyed fail it, since nobody can tell what of them is about people.
- What bias tells of groups by these columns is told with at least so many rows (`registry.told_together`). A run of an
  earlier release told every group: it fails where one was smaller, and else it is not known what its figures give away.
- Figures that are told at all hold the small-cell rule (`registry.disclosure`), whatever the rule allows.
- What a message advises is what would mend it: it speaks of copies where one was kept, and of `protected=[...]` where a
  run was told too late what to protect.

>>> born = TableTold("people", "load", (("born", False),), (("born", "missing"),))
>>> judge_privacy(PrivacyRule(id="r", says="", clauses=(), columns=("born",), fingerprint="keyed"), {}, [born]).outcome
'failed'
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from audit.canonical import Json
from registry.disclosure import SMALL_CELL
from registry.finding import AbsentError, Finding, at, count, items, text
from registry.keyed_digests import is_bare_value
from registry.profile import LEVELS, Level
from registry.protected_names import is_protected
from registry.recorded_sources import is_keyed_source
from registry.rules import PrivacyRule
from registry.sentences import listed
from registry.tables_told import TableTold

__all__ = ["judge_privacy"]


def judge_privacy(rule: PrivacyRule, run: Mapping[str, Json], tables: Sequence[TableTold]) -> Finding:
    """Judge a privacy rule; raise `AbsentError` where what it needs is not there."""
    names = rule.columns or _protected(run)
    kept = [
        f"a copy of {_where(table)} was kept, with {held}"
        for table in tables
        if rule.kept != "all" and (held := _held(names, table))
    ]
    wrong = [*_bare(names, tables, run)] if rule.fingerprint else []
    wrong += [*kept, *(sentence for table in tables for sentence in _profiled(rule, names, table))]
    wrong += _small_groups(rule, names, run)
    if wrong:
        advice = "run it again under this policy"
        advice += ", with no protected data kept" if kept else ""
        advice += _named_late(run) if rule.fingerprint and not rule.columns else ""
        return Finding("failed", f"{listed(wrong, '; ')}: {advice}")
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


def _where(table: TableTold) -> str:
    return f"{table.name} (step {table.step})"


def _held(names: Sequence[str], table: TableTold) -> str:
    """Name the columns about people of which a copy was kept."""
    held = (*(name for name, _ in table.columns), *table.index) if table.kept else ()
    found = [name for name in held if is_protected(name, names)]
    return listed(found) if found else ""


def _named_late(run: Mapping[str, Json]) -> str:
    """Advise to name columns before the data is recorded, where a run was told too late which to protect."""
    late = dict.fromkeys(str(each.get("column")) for each in items(at(run, "privacy", "late")))
    return f", and name {_few(list(late))} in protected=[...] from the start" if late else ""


def _profiled(rule: PrivacyRule, names: Sequence[str], table: TableTold) -> Iterator[str]:
    """Say what the profile of a table tells that the rule does not allow."""
    where = _where(table)
    if rule.profile is None:
        return
    for column, level in table.told:
        if is_protected(column, names) and LEVELS.index(level) > LEVELS.index(rule.profile):
            yield f"the profile of {where} tells {_words(level)} of {column}"
    rare = [column for column in table.rare if is_protected(column, names)]
    if rare:
        yield f"the profile of {where} tells of fewer than {SMALL_CELL} rows in {listed(rare)}"


def _bare(names: Sequence[str], tables: Sequence[TableTold], run: Mapping[str, Json]) -> Iterator[str]:
    """Say what of the data stands by a digest that takes no key, each kind of it in one sentence."""
    columns = []
    for table in tables:
        bare = [column for column, keyed in table.columns if not keyed and is_protected(column, names)]
        if bare:
            columns.append(f"{_few(bare)} in {_where(table)}")
        elif table.nameless:
            columns.append(f"a column without a name in {_where(table)}")
    files = [
        f"the file {source.get('uri')} (step {source.get('step')})"
        for source in items(run.get("sources"))
        if not is_keyed_source(cast(Mapping[str, Json], source))
    ]
    objects = [
        f"the object {origin.get('uri')} (step {origin.get('step')})"
        for origin in items(run.get("origins"))
        if at(origin, "version", "etag") is not None
    ]
    values = [
        f"the value {part.get('name')} (step {step.get('name')})"
        for step in items(run.get("steps"))
        for part in items(step.get("outputs"))
        if is_bare_value(part)
    ]
    for found, how in (
        (columns, "fingerprinted without a key"),
        (files, "recorded by bare SHA-256"),
        (objects, "recorded by bare etag"),
        (values, "digested without a key"),
    ):
        if found:
            yield f"{_few(found)} {'was' if len(found) == 1 else 'were'} {how}"


def _few(names: Sequence[str]) -> str:
    """Name the first three: a sentence is about what to do, and which they are stands in the run."""
    return listed([*names[:3]]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


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
