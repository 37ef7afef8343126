"""The profiles of one run: taken of every table that a step returns, kept when it is known what is protected.

Rules:

- The columns that the evaluation calls sensitive are protected, those whose fingerprints are keyed, and those that the
  pipeline or `record()` names, each with the columns named after it (`race_black`). What is `profiled` is told all the
  same. What the policies of the ledger allow (`registry.privacy`) is the most that is told.
- Which columns are protected may be known only at the end of a run (`record()` is told by `evaluate`), so that nothing
  is written before. A recording that ends early, with nothing said to be protected, keeps no profile.
- A profile never breaks a run: what cannot be profiled has none.
- Whoever wants no profiles says so (`profile=False`, or `affidavit run --no-profile`). A table that has none says why,
  in its part, so that nobody has to guess.

>>> profiling = Profiling(protected=["race"])
>>> profiling.see(part, frame)                                 # doctest: +SKIP
>>> profiling.keep(artifacts)                                  # doctest: +SKIP
"""

from collections.abc import Collection
from contextlib import suppress

from audit.canonical import JsonObject, encode
from audit.errors import MalformedInput
from registry.artifacts import ArtifactStore
from registry.fingerprint import is_table, opened
from registry.privacy import NO_DEMANDS, Privacy
from registry.profile import Profile, profile

__all__ = ["Profiling", "checked_columns"]

NOT_READ = "it could not be read a second time"
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
        self._seen: dict[str, Profile] = {}
        self._parts: list[JsonObject] = []

    def protect(self, columns: Collection[str]) -> None:
        """Protect more columns."""
        self.protected.update(columns)

    def protect_table(self, table: object) -> None:
        """Protect every column of a table, as far as its names can be told."""
        with suppress(Exception):  # what is no table is refused by who evaluates it
            if is_table(table):
                self.protect([name for name in opened(table).names if name != "0"])

    def see(self, part: JsonObject, value: object) -> None:
        """Profile the value of a part, if it is a table."""
        mark = part["fingerprint"]
        if part["kind"] != "table" or not isinstance(mark, str):
            return
        if self.declined is not None:
            part["not_profiled"] = self.declined
            return
        try:
            if mark not in self._seen:
                self._seen[mark] = profile(value)
            self._parts.append(part)
        except Exception:  # its fingerprint stands: a table without a profile is no reason to fail
            part["not_profiled"] = NOT_READ

    def forget(self) -> None:
        """Keep none of them."""
        for part in self._parts:
            part["not_profiled"] = NOT_SAID
        self._parts = []

    def keep(self, artifacts: ArtifactStore) -> None:
        """Store the profiles, each named by its part; raises `EnvironmentFailed` where that cannot be done."""
        kept: dict[str, str] = {}
        for part in self._parts:
            mark = str(part["fingerprint"])
            if mark not in kept:
                shown = self._seen[mark].withholding(self.protected, self.profiled)
                shown = shown.limited(lambda name: self.privacy.ceiling(name, self.protected))
                kept[mark] = artifacts.put(encode(shown.to_json()))
            part["profile"] = kept[mark]


def checked_columns(what: str, names: Collection[str]) -> tuple[str, ...]:
    """Return column names, or raise `MalformedInput`: a list of texts is expected."""
    if isinstance(names, str):
        raise MalformedInput(f'{what} takes a list of columns: write {what}=["{names}"]')
    for name in names:
        if not isinstance(name, str):
            raise MalformedInput(f"{what} names columns by text, not by {name!r}")
    return tuple(dict.fromkeys(names))
