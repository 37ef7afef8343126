"""What a bundle can say that it is about: what the signed statements in it are about (docs/ledger-format.md).

Rules:

- ``entry N``, where entry N is in the bundle.
- ``NAME@VERSION``, where a run of NAME that succeeded is in it. Which version a run is follows from all runs of the
  ledger, which a bundle has not. So the version is that of the approvals, decisions and reproductions in the bundle
  about that run, else that of the reports about NAME in it; where there are none, it is the word of the bundle's maker,
  and said to be.
- Anything else is refused, and never printed: the manifest is signed by nobody.

>>> BundleAbout().is_signed("credit@2, fair for all")
Traceback (most recent call last):
audit.errors.NotVerified: what manifest.json says that the bundle is about is not what the entries in it are about
"""

import re
from dataclasses import dataclass, field

from audit.errors import NotVerified
from audit.record import Entry

__all__ = ["BundleAbout"]

ABOUT_A_RUN = ("approval", "decision", "reproduction")
_VERSION = re.compile(r"[1-9][0-9]{0,14}")


@dataclass(slots=True)
class BundleAbout:
    """What the entries of a bundle are about, learned from one after the other."""

    entries: set[int] = field(default_factory=set)
    runs: dict[str, str] = field(default_factory=dict)
    """The model of each run that succeeded, by the leaf hash of its entry."""
    versions: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """What is said of which version a run is, by its leaf hash and model."""
    reported: dict[str, set[str]] = field(default_factory=dict)
    """The versions of a model that reports are about."""

    def see(self, entry: Entry) -> None:
        """Learn from an entry that reads."""
        predicate = entry.statement.predicate
        model, version = predicate.get("model"), predicate.get("version")
        self.entries.add(entry.seq)
        if not isinstance(model, str):
            return
        if entry.kind == "run" and predicate.get("status") == "succeeded":
            self.runs[entry.leaf_hash] = model
        if type(version) is not int:
            return
        if entry.kind == "report":
            self.reported.setdefault(model, set()).add(str(version))
        if entry.kind in ABOUT_A_RUN:
            for subject in entry.statement.subjects:
                self.versions.setdefault((subject.sha256, model), set()).add(str(version))

    def is_signed(self, about: str) -> bool:
        """Tell whether signed statements say it, or (False) it is in part the maker's word; else `NotVerified`."""
        if about in {f"entry {seq}" for seq in self.entries}:
            return True
        model, _, version = about.rpartition("@")
        named = [
            self.versions.get((leaf, model)) or self.reported.get(model)
            for leaf, of in self.runs.items()
            if of == model
        ]
        if any(versions and version in versions for versions in named):
            return True
        if None in named and _VERSION.fullmatch(version):
            return False
        raise NotVerified(
            "what manifest.json says that the bundle is about is not what the entries in it are about"
        )
