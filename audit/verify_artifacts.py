"""Whether the artifacts that statements name are there and unchanged: step 7 of verification."""

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select
from sqlalchemy.dialects.sqlite import insert

from audit import tables
from audit.follower import Artifacts
from audit.record import Entry
from audit.report import Findings, Step, counted

__all__ = ["NamedArtifacts"]

_artifacts = Table(
    "named_artifacts",
    MetaData(),
    Column("digest", Text, primary_key=True),
    Column("entry", Integer),
    sqlite_with_rowid=False,
)
"""The first entry that names an artifact, none where it is kept and not named. In the scratch database: a ledger may
name more artifacts than fit in memory."""

_KNOW = insert(_artifacts).on_conflict_do_nothing()


class NamedArtifacts:
    """Learns which artifacts the statements name, then reads each of them again, and whatever else is kept."""

    def __init__(self, artifacts: Artifacts, scratch: Connection) -> None:
        """Know of no artifact yet."""
        self.found = Findings(7, "artifacts")
        self._artifacts, self._scratch = artifacts, scratch
        tables.create_empty(scratch, [_artifacts])

    def see(self, seq: int, entry: Entry) -> None:
        """Note what a statement names."""
        named: list[str] = []
        try:
            named.extend(self._artifacts.references(entry.statement))
        except Exception as error:
            # A statement of a known kind in another shape than its readers know.
            told = f"{type(error).__name__}: {error}"
            self.found.add(f"the artifacts that entry {seq} names cannot be told ({told})", seq)
        for digest in named:
            self._note(digest, seq)

    def finish(self, since: str = "") -> Step:
        """Read the artifacts again, those that were named (`since` says by which entries) and those that are kept."""
        try:
            self._read_again()
        except OSError as error:
            self.found.add(f"the artifact store cannot be read: {error.strerror} ({error.filename})")
        named, unnamed = self.found.figures["artifacts"], self.found.figures["unnamed artifacts"]
        others = "which entries before that may name," if since else "that no entry names"
        extra = f"; {unnamed} more {others} are unchanged too" if unnamed else ""
        by = f" that entries{since} name" if since else ""
        return self.found.step(f"{counted(named, 'artifact')}{by} read again, digests right{extra}")

    def _read_again(self) -> None:
        for digest in self._artifacts.kept():
            self._note(digest, None)
        for digest, entry in self._scratch.execute(select(_artifacts).order_by(_artifacts.c.digest)):
            self.found.figures["unnamed artifacts" if entry is None else "artifacts"] += 1
            problem = self._artifacts.problem(digest)
            if problem:
                self.found.add(problem if entry is None else f"{problem} (named by entry {entry})", entry)
        for stray in self._artifacts.strays():
            self.found.add(f"the artifact store holds {stray}, which is not an artifact")

    def _note(self, digest: str, seq: int | None) -> None:
        self._scratch.execute(_KNOW, {"digest": digest, "entry": seq})
