"""The kinds of statement about models, besides the run: what each says, and how it is read again.

Each kind has a major version in its type; a reader is kept for ever and fields are only added. A statement about a
model version names the run's entry as its subject, by leaf hash, so that it cannot be moved to another run.

Members that a reader does not know are passed over; one that it needs and that is missing or of another type is
refused, so that no such statement ever stands in a ledger.

The run's own predicate is built by `registry.run_recorder` and read where its parts are needed; `check_run` says what
every reader may count on.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from audit.canonical import Json, JsonObject
from audit.errors import MalformedInput
from audit.statement import Statement, Subject

__all__ = [
    "Decided",
    "GivenApproval",
    "IssuedReport",
    "PolicyDigest",
    "Reproduction",
    "StagePolicies",
    "check_model_name",
    "check_run",
    "check_stage_name",
]

VERDICTS = ("identical", "equivalent", "diverged", "impossible")
"""What a reproduction may find; `equivalent` is for a later version, which allows tolerances."""

_NAME = re.compile(r"[\w][\w.-]{0,99}")
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,49}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class PolicyDigest:
    """A policy by name and by the SHA-256 of its text, which is in the artifact store."""

    name: str
    sha256: str

    def to_json(self) -> JsonObject:
        """Write the pair."""
        return {"name": self.name, "sha256": self.sha256}

    @classmethod
    def from_json(cls, value: Json) -> "PolicyDigest":
        """Read the pair."""
        item = _object(value, "a policy")
        return cls(_text(item, "name"), _digest(item, "sha256"))


@dataclass(frozen=True, slots=True)
class StagePolicies:
    """``stage``: from here on, these policies guard a stage."""

    stage: str
    policies: tuple[PolicyDigest, ...]

    def statement(self) -> Statement:
        """Say it."""
        subjects = tuple(Subject(p.name, p.sha256) for p in self.policies)
        return Statement(
            "stage", subjects, {"stage": self.stage, "policies": [p.to_json() for p in self.policies]}
        )

    @classmethod
    def read(cls, predicate: Mapping[str, Json]) -> "StagePolicies":
        """Read it."""
        return cls(check_stage_name(_text(predicate, "stage")), _policies(predicate))


@dataclass(frozen=True, slots=True)
class GivenApproval:
    """``approval``: a person approves or rejects a version for a stage, on exactly this evidence."""

    model: str
    version: int
    stage: str
    verdict: str
    meaning: str
    evidence: str

    def statement(self, run_leaf: str) -> Statement:
        """Say it about the run with this leaf hash."""
        return Statement(
            "approval",
            (Subject(f"{self.model}@{self.version}", run_leaf),),
            {
                "model": self.model,
                "version": self.version,
                "stage": self.stage,
                "verdict": self.verdict,
                "meaning": self.meaning,
                "evidence": self.evidence,
            },
        )

    @classmethod
    def read(cls, predicate: Mapping[str, Json]) -> "GivenApproval":
        """Read it."""
        verdict = _text(predicate, "verdict")
        if verdict not in ("approve", "reject"):
            raise MalformedInput(f"an approval's verdict is approve or reject, not {verdict!r}")
        meaning = _text(predicate, "meaning")
        if not meaning.strip():
            raise MalformedInput("an approval states its meaning")
        return cls(
            model=_text(predicate, "model"),
            version=_number(predicate, "version"),
            stage=check_stage_name(_text(predicate, "stage")),
            verdict=verdict,
            meaning=meaning,
            evidence=_digest(predicate, "evidence"),
        )


@dataclass(frozen=True, slots=True)
class Decided:
    """``decision``: a version was promoted to a stage, or refused, with the outcome of every rule."""

    model: str
    version: int
    stage: str
    action: str
    decision: str
    reason: str | None
    evidence: str
    policies: tuple[PolicyDigest, ...]
    rules: tuple[JsonObject, ...]
    approvals: tuple[int, ...]

    def statement(self, run_leaf: str) -> Statement:
        """Say it about the run with this leaf hash."""
        return Statement(
            "decision",
            (Subject(f"{self.model}@{self.version}", run_leaf),),
            {
                "model": self.model,
                "version": self.version,
                "stage": self.stage,
                "action": self.action,
                "decision": self.decision,
                "reason": self.reason,
                "evidence": self.evidence,
                "policies": [p.to_json() for p in self.policies],
                "rules": list[Json](self.rules),
                "approvals": list[Json](self.approvals),
            },
        )

    @classmethod
    def read(cls, predicate: Mapping[str, Json]) -> "Decided":
        """Read it."""
        decision, action = _text(predicate, "decision"), _text(predicate, "action")
        if decision not in ("promoted", "refused") or action not in ("promote", "rollback"):
            raise MalformedInput("a decision is promoted or refused, by promote or rollback")
        rules, approvals = _list(predicate, "rules"), _list(predicate, "approvals")
        if not all(type(seq) is int for seq in approvals):
            raise MalformedInput("a decision names its approvals by their entries")
        return cls(
            model=_text(predicate, "model"),
            version=_number(predicate, "version"),
            stage=check_stage_name(_text(predicate, "stage")),
            action=action,
            decision=decision,
            reason=_text_or_none(predicate, "reason"),
            evidence=_digest(predicate, "evidence"),
            policies=_policies(predicate),
            rules=tuple(_object(rule, "a rule") for rule in rules),
            approvals=tuple(cast(list[int], approvals)),
        )


@dataclass(frozen=True, slots=True)
class Reproduction:
    """``reproduction``: someone ran a version again, and this is how it compares."""

    model: str
    version: int
    verdict: str
    reason: str | None
    first_difference: JsonObject | None
    compared: tuple[JsonObject, ...]
    environment: JsonObject

    def statement(self, run_leaf: str) -> Statement:
        """Say it about the run with this leaf hash."""
        return Statement(
            "reproduction",
            (Subject(f"{self.model}@{self.version}", run_leaf),),
            {
                "model": self.model,
                "version": self.version,
                "verdict": self.verdict,
                "reason": self.reason,
                "first_difference": self.first_difference,
                "compared": list[Json](self.compared),
                "environment": self.environment,
            },
        )

    @classmethod
    def read(cls, predicate: Mapping[str, Json]) -> "Reproduction":
        """Read it."""
        verdict, difference = _text(predicate, "verdict"), predicate.get("first_difference")
        if verdict not in VERDICTS:
            raise MalformedInput(f"a reproduction's verdict is {' or '.join(VERDICTS)}, not {verdict!r}")
        return cls(
            model=_text(predicate, "model"),
            version=_number(predicate, "version"),
            verdict=verdict,
            reason=_text_or_none(predicate, "reason"),
            first_difference=None if difference is None else _object(difference, "the first difference"),
            compared=tuple(_object(row, "what was compared") for row in _list(predicate, "compared")),
            environment=_object(predicate.get("environment"), "the environment"),
        )


@dataclass(frozen=True, slots=True)
class IssuedReport:
    """``report``: a document about a version was written, with the SHA-256 of its bytes."""

    model: str
    version: int
    template: str
    format: str
    sha256: str
    covers: int

    def statement(self) -> Statement:
        """Say it about the document."""
        return Statement(
            "report",
            (Subject(f"{self.model}@{self.version} {self.template}", self.sha256),),
            {
                "model": self.model,
                "version": self.version,
                "template": self.template,
                "format": self.format,
                "sha256": self.sha256,
                "covers": self.covers,
            },
        )

    @classmethod
    def read(cls, predicate: Mapping[str, Json]) -> "IssuedReport":
        """Read it."""
        return cls(
            model=_text(predicate, "model"),
            version=_number(predicate, "version"),
            template=_text(predicate, "template"),
            format=_text(predicate, "format"),
            sha256=_digest(predicate, "sha256"),
            covers=_number(predicate, "covers"),
        )


def check_run(predicate: Mapping[str, Json]) -> str:
    """Return the model of a ``run`` statement, or raise `MalformedInput` where a part that its readers need is missing.

    Lists may have moved to the artifact store (`registry.run_predicate`); what is in them is read where they are.
    """
    model = check_model_name(_text(predicate, "model"))
    if _text(predicate, "status") not in ("succeeded", "failed"):
        raise MalformedInput("a run has succeeded or failed")
    for member in ("code", "environment"):
        _object(predicate.get(member), f"the `{member}` of a run")
    for member in ("failure", "evaluation", "model_file"):
        if predicate.get(member) is not None:
            _object(predicate[member], f"the `{member}` of a run")
    # Runs of earlier versions have no lineage of fields.
    for member in ("steps", "sources", *(("lineage",) if "lineage" in predicate else ())):
        value = predicate.get(member)
        if isinstance(value, dict):
            _digest(value, "artifact")
        elif not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise MalformedInput(f"the `{member}` of a run are a list of objects")
    return model


def check_model_name(name: str) -> str:
    """Return a model's name, or raise `MalformedInput`: letters, digits, dots, hyphens and underscores, in NFC."""
    if _NAME.fullmatch(name) is None or unicodedata.normalize("NFC", name) != name:
        raise MalformedInput(
            f"the model name {name!r} is not usable: letters, digits, dots, hyphens and underscores, at most 100"
        )
    return name


def check_stage_name(name: str) -> str:
    """Return a stage's name, or raise `MalformedInput`: lower-case letters, digits and hyphens; never `latest`."""
    if _STAGE.fullmatch(name) is None or name == "latest":
        raise MalformedInput(f"the stage name {name!r} is not usable: lower-case letters, digits and hyphens")
    return name


def _policies(predicate: Mapping[str, Json]) -> tuple[PolicyDigest, ...]:
    policies = predicate.get("policies")
    if not isinstance(policies, list) or not policies:
        raise MalformedInput("at least one policy is named by name and sha256")
    return tuple(PolicyDigest.from_json(p) for p in policies)


def _list(predicate: Mapping[str, Json], member: str) -> list[Json]:
    value = predicate.get(member)
    if not isinstance(value, list):
        raise MalformedInput(f"the statement has no list in `{member}`")
    return value


def _object(value: Json, what: str) -> JsonObject:
    if not isinstance(value, dict):
        raise MalformedInput(f"{what} is an object")
    return value


def _text(predicate: Mapping[str, Json], member: str) -> str:
    value = predicate.get(member)
    if not isinstance(value, str):
        raise MalformedInput(f"the statement has no text in `{member}`")
    return value


def _text_or_none(predicate: Mapping[str, Json], member: str) -> str | None:
    return None if predicate.get(member) is None else _text(predicate, member)


def _digest(predicate: Mapping[str, Json], member: str) -> str:
    value = _text(predicate, member)
    if _SHA256.fullmatch(value) is None:
        raise MalformedInput(f"the statement has no SHA-256 in `{member}`")
    return value


def _number(predicate: Mapping[str, Json], member: str) -> int:
    value = predicate.get(member)
    if type(value) is not int:
        raise MalformedInput(f"the statement has no whole number in `{member}`")
    return value
