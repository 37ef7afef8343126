"""Which artifacts the statements name, and whether they still are what they were (step 7 of verification)."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from audit.canonical import Json
from audit.errors import AffidavitError
from audit.statement import Statement
from registry.artifacts import ArtifactStore
from registry.run_predicate import NAMING, artifacts_named

__all__ = ["KeptArtifacts"]


class KeptArtifacts:
    """The artifact store as verification sees it (`audit.follower.Artifacts`)."""

    def __init__(self, store: ArtifactStore) -> None:
        """Look at a store; nothing is read yet."""
        self.store = store

    def references(self, statement: Statement) -> Iterable[str]:
        """Yield the digests that a statement says are kept."""
        predicate = statement.predicate
        match statement.kind:
            case "run":
                yield from self._named_by_run(predicate)
            case "stage":
                yield from (subject.sha256 for subject in statement.subjects)
            case "report":
                yield statement.text("sha256")

    def problem(self, digest: str) -> str | None:
        """Read an artifact again and say what is wrong with it, or None."""
        try:
            with self.store.open(digest) as file:
                while file.read(1 << 20):
                    pass
        except AffidavitError as error:
            return str(error)
        return None

    def kept(self) -> Iterator[str]:
        """Yield every digest that is kept."""
        return self.store.digests()

    def copied(self, folder: Path, digest: str) -> "KeptArtifacts":
        """Copy one artifact into another ledger's folder, and open the store there."""
        there = ArtifactStore(folder / "artifacts")
        there.put_file(self.store.path(digest))
        return KeptArtifacts(there)

    def strays(self) -> Iterable[str]:
        """Yield the names of files in the store that are not artifacts."""
        return map(str, self.store.strays())

    def _named_by_run(self, predicate: Mapping[str, Json]) -> Iterator[str]:
        for name in NAMING:
            moved = predicate.get(name)
            if isinstance(moved, dict) and self.problem(str(moved.get("artifact"))):
                # The list is gone or damaged: it is named, and what it named cannot be known.
                yield str(moved.get("artifact"))
                predicate = {**predicate, name: []}
        yield from artifacts_named(predicate, self.store)
