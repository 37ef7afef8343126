"""The profiles of one run: taken of every table that a step returns, kept when it is known what is protected.

Rules:

- The columns that the evaluation calls sensitive are protected, those whose fingerprints are keyed, and those that the
  pipeline or `record()` names, each with the columns named after it (`race_black`). What is `profiled` is told all the
  same. What the policies of the ledger allow (`registry.privacy`) is the most that is told.
- Which columns are protected may be known only at the end of a run (`record()` is told by `evaluate`), so that nothing
  is written before. A recording that ends early, with nothing said to be protected, keeps no profile.
- The parts of one run give away by subtraction what each of them hides: a split that says how many rows of a whole are
  in the one part says it of the other. So each row is told of once: of a table that was made from others, and of a
  column whose name another table that came in has too, only the type and the share of missing values is told. That two
  columns of different names hold the same rows is not known.
- A profile never breaks a run: what cannot be profiled has none.
- Whoever wants no profiles says so (`profile=False`, or `affidavit run --no-profile`). A table that has none says why,
  in its part, so that nobody has to guess.

>>> profiling = Profiling(protected=["race"])
>>> profiling.see(part, frame)                                 # doctest: +SKIP
>>> profiling.keep(artifacts)                                  # doctest: +SKIP
"""

from collections.abc import Collection, Iterable
from contextlib import suppress

from audit.canonical import JsonObject, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.fingerprint import is_table, opened
from registry.privacy import NO_DEMANDS, Privacy
from registry.profile import LEVELS, Profile, profile

__all__ = ["Profiling", "checked_columns"]

MADE_HERE = "made from what came in"
NOT_SAID = "the run ended before it was said which columns are protected"


class Profiling:
    """Collects the profiles of a run's tables; `declined` is why none are wanted, where that is so."""

    def __init__(
        self,
        protected: Collection[str] = (),
        profiled: Collection[str] = (),
        privacy: Privacy = NO_DEMANDS,
        *,
        declined: str | None = None,
    ) -> None:
        self.protected = set(protected)
        self.profiled = set(profiled)
        self.privacy = privacy
        self.declined = declined
        self._seen: dict[tuple[str, bool], Profile] = {}
        self._parts: list[JsonObject] = []
        self._made_here: list[JsonObject] = []

    def protect(self, columns: Collection[str]) -> None:
        """Protect more columns."""
        self.protected.update(columns)

    def protect_table(self, table: object) -> None:
        """Protect every column of a table, as far as its names can be told."""
        with suppress(Exception):  # what is no table is refused by who evaluates it
            if is_table(table):
                self.protect([name for name in opened(table).names if name != "0"])

    def see(self, part: JsonObject, value: object, *, made_here: bool = False) -> None:
        """Profile the value of a part, if it is a table; `made_here`: it was made from other tables of the run."""
        mark = part["fingerprint"]
        if part["kind"] != "table" or not isinstance(mark, str):
            return
        if self.declined is not None:
            part["not_profiled"] = self.declined
            return
        try:
            if (mark, made_here) not in self._seen:
                self._seen[mark, made_here] = profile(value, whole=not made_here)
        except Exception as error:  # its fingerprint stands: a table without a profile is no reason to fail
            part["not_profiled"] = f"it could not be profiled ({type(error).__name__})"
            return
        self._parts.append(part)
        if made_here:
            self.found_made([part])

    def found_made(self, parts: Iterable[JsonObject]) -> None:
        """Take it that these parts were made from other tables of the run."""
        self._made_here += parts

    def found_given(self, parts: Iterable[JsonObject]) -> None:
        """Take it that these parts came in from outside after all."""
        given = list(parts)
        self._made_here = [part for part in self._made_here if not any(part is one for one in given)]

    def forget(self) -> None:
        """Keep none of them."""
        for part in self._parts:
            part["not_profiled"] = NOT_SAID
        self._parts = []

    def keep(self, artifacts: ArtifactStore) -> None:
        """Store the profiles, each named by its part; raises `EnvironmentFailed` where that cannot be done."""
        told: dict[str, tuple[str, str]] = {}
        for part in self._parts:
            mark, made_here = str(part["fingerprint"]), any(part is one for one in self._made_here)
            seen = self._seen.get((mark, False)) or self._seen[mark, True]
            shown = self._allowed(seen, str(part["name"]))
            shown = shown.withholding_all(lambda name: MADE_HERE) if made_here else _once(shown, part, told)
            part["profile"] = artifacts.put(encode(shown.to_json()))

    def _allowed(self, seen: Profile, part: str) -> Profile:
        """Leave of a part's profile what its columns' names allow."""
        shown = seen.withholding(self.protected, self.profiled, part)
        return shown.limited(
            lambda column: min(
                (self.privacy.ceiling(name, self.protected) for name in shown.names_in(column, part)),
                key=LEVELS.index,
            )
        )


def _once(shown: Profile, part: JsonObject, told: dict[str, tuple[str, str]]) -> Profile:
    """Withhold the columns of which another table tells, and note of which this one does."""
    name, mark = str(part["name"]), str(part["fingerprint"])
    for column in shown.columns:
        if column.told in ("counts", "all"):
            told.setdefault(column.name.casefold(), (name, mark))

    def why(column: str) -> str | None:
        table, other = told.get(column.casefold(), (name, mark))
        return None if other == mark else f"told of the table {table}"

    return shown.withholding_all(why)


def checked_columns(what: str, names: Collection[str]) -> tuple[str, ...]:
    """Return column names, or raise `MalformedInput`: a list of texts is expected."""
    if isinstance(names, str):
        raise MalformedInput(f'{what} takes a list of columns: write {what}=["{names}"]')
    for name in names:
        if not isinstance(name, str):
            raise MalformedInput(f"{what} names columns by text, not by {name!r}")
    return tuple(dict.fromkeys(names))
