"""The files in a bundle, against the digests that its entries name: step 7 of its verification.

Rules:

- An artifact lies under its own SHA-256, and that is a text in one of the entries, alone or at the end of a longer one
  such as a fingerprint. The name of a member is no such text.
- `report.pdf` is what a ``report`` entry in the bundle is about.
- Where no entry could be read, nobody can say what they name: the step is skipped.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from audit.bundle import Bundle
from audit.canonical import Json
from audit.errors import NotVerified
from audit.evidence import NOTHING_READ, finding
from audit.record import Entry
from audit.report import Findings, Step, counted

__all__ = ["NamedFiles"]

_DIGEST = re.compile(r"(?:^|[^0-9a-f])([0-9a-f]{64})$")


@dataclass(slots=True)
class NamedFiles:
    """The digests that the entries name, learned from one after the other; `reports` are those of reports."""

    named: set[str] = field(default_factory=set)
    reports: set[str] = field(default_factory=set)

    def see(self, entry: Entry) -> None:
        """Learn from an entry that reads."""
        subjects = [subject.sha256 for subject in entry.statement.subjects]
        self.named.update(subjects, _digests(dict(entry.statement.predicate)))
        if entry.kind == "report":
            self.reports.update(subjects)

    def step(self, bundle: Bundle) -> Step:
        """Hash the files, and answer step 7."""
        found = Findings(7, "artifacts")
        names = {f"artifacts/{digest}": self.named for digest in bundle.digests}
        if bundle.has_report:
            names["report.pdf"] = self.reports
        if not names:
            return found.skipped("no file that the entries name is in the bundle")
        if not self.named:
            return found.skipped(NOTHING_READ)
        found.figures["files"] = len(names)
        for name, known in names.items():
            with finding(found, name):
                digest = bundle.archive.digest(name)
                if name not in ("report.pdf", f"artifacts/{digest}"):
                    raise NotVerified(f"its bytes have the SHA-256 {digest}")
                if digest not in known:
                    raise NotVerified(f"its SHA-256 {digest[:16]}… is not what an entry in the bundle names")
        report = "; report.pdf is what a report entry is about" if bundle.has_report else ""
        have = counted(len(names), "file has the digest", "files have the digests")
        return found.step(f"{have} that the entries name{report}")


def _digests(value: Json) -> Iterator[str]:
    """Yield every SHA-256 that a statement says, alone or at the end of a longer name such as a fingerprint."""
    if isinstance(value, str):
        matched = _DIGEST.search(value)
        if matched:
            yield matched[1]
    elif isinstance(value, list):
        for item in value:
            yield from _digests(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _digests(item)
