"""Promotion policies: declarative YAML read into frozen rules, with the digest of the bytes as received.

A policy says what the evidence for a model version must show before a stage may serve it. It holds limits,
not code. Grammar (every field is required unless marked `optional`; nothing else is accepted)::

    name: lending                     # lower-case words joined by hyphens
    version: 1                        # a whole number, from 1
    title: "Loan decisions"
    rules:
      - id: parity-by-race            # unique in the policy
        says: "A sentence that a person can read."
        clauses: ["NIST-AI-RMF:MEASURE-2.11"]      # REGIME:ITEM; [] where none honestly applies
        kind: limit                   # a limit on a figure
        metric: demographic_parity_ratio
        of: race                      # optional: a measured attribute; absent = all rows together
        group: every                  # optional: one group's name, or every; absent = the disparity
        small_groups: ignore          # optional: refuse (the default) or ignore
        operator: ">="                # in quotes; >= <= > < ==
        limit: 0.80
        on: interval                  # interval (all of it must clear the limit) or point
        confidence: 0.95              # optional, with interval: the least that the interval must have
        minimum: 30                   # optional, with of: a rate on fewer rows says nothing
      - {id: ..., says: ..., clauses: [], kind: fact, fact: code-clean}
      - {id: ..., says: ..., clauses: [], kind: lineage}   # optional: protected: [race], rows: ignore,
                                                           #           observation: accept
      - {id: ..., says: ..., clauses: [], kind: privacy,   # optional: columns: [race]
         fingerprint: keyed, profile: missing,             # at least one of the three; nothing, missing, counts or all
         kept: nothing}                                    # or all, which allows kept copies
      - {id: ..., says: ..., clauses: [], kind: approval, role: validator, count: 1}   # optional: meaning
      - {id: ..., says: ..., clauses: [], kind: reproduction, verdicts: [identical, equivalent]}

Rules of reading:

- The bytes are kept as they came; their SHA-256 names the policy everywhere (decisions, artifacts).
- All mistakes are reported at once, each with its line and column. A policy with no rules is a mistake.
- Anchors, aliases, tags, repeated keys, empty values and numbers in any but plain digits are refused, so
  that no two readers of the same bytes see different limits. Numbers stay decimal: 0.80 is exactly 0.80.

>>> packaged("lending").name
'lending'
"""

import functools
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, cast, get_args

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, StrictInt, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry.policy_file import MOST_BYTES, Problem, compose, find, problem_at, refuse, shown, values
from registry.rules import (
    STRICT,
    ApprovalRule,
    FactName,
    FactRule,
    LimitRule,
    Line,
    LineageRule,
    Misplaced,
    PrivacyRule,
    ReproductionRule,
    Rule,
    Slug,
)
from registry.sentences import did_you_mean

__all__ = ["Policy", "load", "packaged", "packaged_names", "parse"]

_MOST_RULES: Final = 200
_POLICIES: Final = Path(__file__).parent.parent / "policies"
_RULES: Final = {
    "limit": LimitRule,
    "fact": FactRule,
    "lineage": LineageRule,
    "privacy": PrivacyRule,
    "approval": ApprovalRule,
    "reproduction": ReproductionRule,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as read; `text` is the file's bytes as received, and they are what its digest covers."""

    name: str
    version: int
    title: str
    rules: tuple[Rule, ...]
    text: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of `text`, in hex: the policy's name in decisions and in the artifact store."""
        return hashlib.sha256(self.text).hexdigest()


def _some_rules(values: object) -> object:
    if values == []:
        raise ValueError("a policy with no rules would pass everything: give at least one")
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The file's own fields, before the bytes are put beside them."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Slug
    version: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    title: Line
    rules: Annotated[
        tuple[Annotated[Rule, Field(discriminator="kind")], ...],
        Field(max_length=_MOST_RULES),
        BeforeValidator(_some_rules),
    ]


@functools.lru_cache(maxsize=64)  # one command reads the same few policies again and again
def parse(text: bytes, where: str) -> Policy:
    """Read a policy from its bytes; `where` (a path or a name) begins every message.

    Raises `MalformedInput` that lists every mistake as "where:line:column: what is wrong".
    """
    root = compose(text, where)
    problems: list[Problem] = []
    given = values(root, problems)
    refuse(problems, where)
    document: _Document | None = None
    try:
        document = _schema().validate_python(given)
    except ValidationError as error:
        problems += [_problem(detail, root) for detail in error.errors(include_url=False)]
    problems += _repeated_ids(root)
    refuse(problems, where)
    assert document is not None  # otherwise there was a problem
    return Policy(document.name, document.version, document.title, document.rules, text)


def packaged_names() -> tuple[str, ...]:
    """Name the policies that come with affidavit, in order."""
    return tuple(sorted(path.stem for path in _POLICIES.glob("*.yaml")))


def packaged(name: str) -> Policy:
    """Read a policy that comes with affidavit, or raise `NotFound` with the names there are."""
    names = packaged_names()
    if name not in names:
        raise NotFound(
            f"there is no policy named {shown(name)}, and a file is named by its path{did_you_mean(name, names)}"
        )
    return _packaged(name)


@functools.cache
def _packaged(name: str) -> Policy:
    return _file(_POLICIES / f"{name}.yaml", f"policies/{name}.yaml")


def load(name_or_path: str | Path) -> Policy:
    """Read a packaged policy by its name, or any policy by the path of its file.

    A name without a folder and without an ending is a packaged policy; everything else is a path.
    Raises `NotFound`, `MalformedInput`, or `EnvironmentFailed` where the file cannot be read.
    """
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and path.name == name_or_path and not path.suffix:
        return packaged(name_or_path)
    return _file(path, str(name_or_path))


def _file(path: Path, where: str) -> Policy:
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            f"there is no policy file {where}: `affidavit policy list` names those that come with affidavit"
        ) from None
    except (IsADirectoryError, ValueError):
        raise MalformedInput(f"{where!r} is not a file: name a policy's YAML file") from None
    except OSError as error:
        raise EnvironmentFailed(
            f"the policy file {where} cannot be read: {error.strerror or error}"
        ) from None
    return parse(text, where)


@functools.cache
def _schema() -> TypeAdapter[_Document]:
    return TypeAdapter(_Document)


def _problem(detail: ErrorDetails, root: yaml.Node) -> Problem:
    """Put one of pydantic's errors into our words, at the place in the file that caused it."""
    loc = detail["loc"]
    rule = _RULES.get(str(loc[2])) if len(loc) > 2 and loc[0] == "rules" else None
    path = list(loc[:2] + loc[3:] if rule else loc)
    context = detail.get("ctx", {})
    error = context.get("error")
    if isinstance(error, Misplaced):
        path.append(error.field)
    elif detail["type"] == "union_tag_invalid":
        path.append("kind")
    node = find(root, path, key=detail["type"] == "unexpected_keyword_argument")
    return problem_at(node, _explained(detail, context, [field.name for field in fields(rule or _Document)]))


def _explained(detail: ErrorDetails, context: dict[str, Any], known: Sequence[str]) -> str:
    name = next((part for part in reversed(detail["loc"]) if isinstance(part, str)), "the policy")
    given = detail["input"]
    match detail["type"]:
        case "missing":
            return f"the field {name!r} is missing"
        case "unexpected_keyword_argument":
            return f"unknown field {shown(name)}{did_you_mean(name, known)}"
        case "union_tag_not_found":
            return f"the rule has no 'kind': it is one of {', '.join(_RULES)}"
        case "union_tag_invalid":
            return f"unknown kind {shown(context['tag'])}{did_you_mean(str(context['tag']), _RULES)}"
        case "literal_error":
            known = _literals(name, detail)
            return f"{shown(given)} is not known for {name!r}{did_you_mean(str(given), known)}"
        case "value_error":
            return str(context["error"]) if isinstance(given, dict) else f"{name!r}: {context['error']}"
        case "tuple_type":
            return f"{name!r} must be a list"
        case "dataclass_type" | "model_attributes_type":
            return (
                "a rule is a mapping of fields to values"
                if name == "rules"
                else "a policy is a mapping of fields"
            )
        case "int_type":
            return f"{name!r} must be a whole number"
    return f"{name!r}: {detail['msg']}"


def _literals(name: str, detail: ErrorDetails) -> tuple[str, ...]:
    if name == "fact":
        return cast(tuple[str, ...], get_args(FactName))
    # pydantic keeps the choices only as prose: 'a', 'b' or 'c'.
    return tuple(re.findall(r"'([^']+)'", str(detail.get("ctx", {}).get("expected", ""))))


def _repeated_ids(root: yaml.Node) -> list[Problem]:
    """Find rules whose id stands already; on the nodes, so that it is told along with every other mistake."""
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    rules = find(root, ["rules"], key=False)
    for index in range(len(rules.value) if isinstance(rules, yaml.SequenceNode) and rules is not root else 0):
        node = find(rules, [index, "id"], key=False)
        if isinstance(node, yaml.ScalarNode):
            if node.value in seen:
                first = f"the id {shown(node.value)} is used already, on line {seen[node.value]}"
                problems.append(problem_at(node, first))
            seen.setdefault(node.value, node.start_mark.line + 1)
    return problems
