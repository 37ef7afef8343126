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

import difflib
import functools
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, cast, get_args

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails

from audit.errors import EnvironmentFailed, MalformedInput, NotFound

__all__ = [
    "CONFIDENCE",
    "DISPARITIES",
    "EVERY",
    "GROUP_METRICS",
    "MINIMUM",
    "MOST_BYTES",
    "OVERALL_METRICS",
    "ROWS",
    "ApprovalRule",
    "FactName",
    "FactRule",
    "LimitRule",
    "Policy",
    "ReproductionRule",
    "Rule",
    "load",
    "packaged",
    "packaged_names",
    "parse",
]

MOST_BYTES: Final = 64 * 1024
"""A policy is read by people; a longer file is refused before it is parsed."""

EVERY: Final = "every"
"""The value of `group` that asks a limit of each group; no group can be named so in a rule."""

CONFIDENCE: Final = Decimal("0.95")
MINIMUM: Final = 30
"""What a limit asks of intervals and of groups where it does not say: whoever records a run does not choose."""

ROWS: Final = "rows"
"""The metric that is a count: the rows evaluated, overall or in a group. It has no interval."""

OVERALL_METRICS: Final = (
    "accuracy", "selection_rate", "base_rate", "true_positive_rate", "false_positive_rate", "precision",
    "roc_auc", "brier_score", ROWS,
)  # fmt: skip
GROUP_METRICS: Final = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", ROWS)
DISPARITIES: Final = (
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "equalized_odds_difference",
)

FactName = Literal[
    "run-succeeded", "code-committed", "code-clean", "nothing-untracked", "recorded-as-pipeline", "seeded",
    "data-fingerprinted", "environment-recorded", "safe-model-format", "evaluated", "bias-measured",
]  # fmt: skip
"""The facts about a run that a rule may ask for; `registry.gate.FACTS` says how each is read."""

_MOST_RULES: Final = 200
_MOST_DEPTH: Final = 16
_MOST_PROBLEMS_SHOWN: Final = 20
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,20})?")
_POLICIES: Final = Path(__file__).parent.parent / "policies"


class _Misplaced(ValueError):
    """A field that is right alone and wrong beside the others; `field` says where to point."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _line(text: object) -> str:
    """Accept one line of visible text in NFC: it is printed in terminals, reports and statements."""
    if not isinstance(text, str):
        raise ValueError(f"{_shown(text)} must be text: put it in quotes")
    line = text.strip()
    if not line:
        raise ValueError("must not be empty")
    if not line.isprintable():
        raise ValueError("must be one line without control characters (use '>-' to fold long text)")
    if not unicodedata.is_normalized("NFC", line):
        raise ValueError("must be in Unicode normal form C: type the accented letters as single characters")
    if len(line) > 500:
        raise ValueError("is longer than 500 characters")
    return line


def _slug(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text) or len(text) > 64:
        raise ValueError(f"{_shown(text)} must be lower-case words joined by hyphens, at most 64 characters")
    return text


def _clause(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9-]*:[A-Za-z0-9][A-Za-z0-9._-]*", text) or len(text) > 80:
        raise ValueError(f"{_shown(text)} must be REGIME:ITEM, such as NIST-AI-RMF:MEASURE-2.11")
    return text


def _number(value: object) -> Decimal:
    # bool is an int to Python and never a limit to a person.
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{_shown(value)} is not a number: write plain digits without quotes, such as 0.80")
    return Decimal(value)


def _some(values: object) -> object:
    # Not Field(min_length=1): pydantic counts only the valid ones, and would call one bad rule "no rules".
    if values == []:
        raise ValueError("needs at least one")
    return values


def _some_rules(values: object) -> object:
    if values == []:
        raise ValueError("a policy with no rules would pass everything: give at least one")
    return values


Line = Annotated[str, BeforeValidator(_line)]
Slug = Annotated[str, BeforeValidator(_line), AfterValidator(_slug)]
Clause = Annotated[str, BeforeValidator(_line), AfterValidator(_clause)]
Number = Annotated[Decimal, BeforeValidator(_number)]
_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What every rule has: an id, a sentence for people, and the clauses it serves."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    id: Slug
    says: Line
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule(_Said):
    """A limit on one figure: overall, between the groups of an attribute, or within groups.

    `of` None is the whole evaluation; `of` alone is the disparity between the attribute's groups; with
    `group` it is the figure of that group, or of `every` group. `small_groups` says what to make of groups
    with too few rows to say anything: `refuse` (None means the same) or `ignore`. `confidence` and `minimum`
    are the least confidence of the interval and the least rows under a rate; None means `CONFIDENCE` and
    `MINIMUM`.
    """

    kind: Literal["limit"] = "limit"
    metric: Line
    of: Line | None = None
    group: Line | None = None
    operator: Literal[">=", "<=", ">", "<", "=="]
    limit: Number
    on: Literal["point", "interval"]
    small_groups: Literal["refuse", "ignore"] | None = None
    confidence: Number | None = None
    minimum: Annotated[StrictInt, Field(ge=1, le=1_000_000)] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where the fields contradict one another."""
        if self.group is not None and self.of is None:
            raise _Misplaced("group", "'group' needs 'of': name the attribute that the group belongs to")
        if self.metric not in (known := self._metrics()):
            what = "a disparity" if known is DISPARITIES else "a metric"
            raise _Misplaced(
                "metric", f"{_shown(self.metric)} is not {what} known here{_near(self.metric, known)}"
            )
        if self.metric == ROWS and self.on == "interval":
            raise _Misplaced("on", "'rows' is a count and has no interval: write on: point")
        if self.small_groups and (self.of is None or self.group not in (None, EVERY) or self.metric == ROWS):
            raise _Misplaced(
                "small_groups", "'small_groups' belongs to a disparity or to a rate of every group"
            )
        if self.minimum is not None and (self.of is None or self.metric == ROWS):
            raise _Misplaced("minimum", "'minimum' belongs to a disparity or to a rate of a group")
        if self.confidence is not None and (self.on == "point" or not 0 < self.confidence < 1):
            raise _Misplaced("confidence", "'confidence' lies between 0 and 1 and belongs to on: interval")

    def _metrics(self) -> tuple[str, ...]:
        if self.of is None:
            return OVERALL_METRICS
        return DISPARITIES if self.group is None else GROUP_METRICS


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule(_Said):
    """A fact about the run that must hold."""

    kind: Literal["fact"] = "fact"
    fact: FactName


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule(_Said):
    """Signed approvals by `count` distinct keys in a role; `meaning`, where given, must be what they signed."""

    kind: Literal["approval"] = "approval"
    role: Literal["validator", "approver"]
    count: Annotated[StrictInt, Field(ge=1, le=9)]
    meaning: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionRule(_Said):
    """A reproduction with one of the accepted verdicts; one that diverged can never be accepted."""

    kind: Literal["reproduction"] = "reproduction"
    verdicts: Annotated[tuple[Literal["identical", "equivalent"], ...], BeforeValidator(_some)]


Rule = LimitRule | FactRule | ApprovalRule | ReproductionRule
_RULES: Final = {
    "limit": LimitRule,
    "fact": FactRule,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """The file's own fields, before the bytes are put beside them."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: Slug
    version: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    title: Line
    rules: Annotated[
        tuple[Annotated[Rule, Field(discriminator="kind")], ...],
        Field(max_length=_MOST_RULES),
        BeforeValidator(_some_rules),
    ]


@dataclass(frozen=True, slots=True, order=True)
class _Problem:
    """One mistake and its place, both counted from 1 as editors do."""

    line: int
    column: int
    message: str


def parse(text: bytes, where: str) -> Policy:
    """Read a policy from its bytes; `where` (a path or a name) begins every message.

    Raises `MalformedInput` that lists every mistake as "where:line:column: what is wrong".
    """
    root = _compose(text, where)
    problems: list[_Problem] = []
    values = _values(root, problems)
    _refuse(problems, where)
    document: _Document | None = None
    try:
        document = _schema().validate_python(values)
    except ValidationError as error:
        problems += [_problem(detail, root) for detail in error.errors(include_url=False)]
    problems += _repeated_ids(root)
    _refuse(problems, where)
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
            f"there is no policy named {_shown(name)}{_near(name, names)}; "
            f"affidavit comes with {', '.join(names) or 'none'}, and a file is named by its path"
        )
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
        raise NotFound(f"there is no policy file {where}") from None
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


def _compose(text: bytes, where: str) -> yaml.Node:
    """Turn bytes into YAML nodes, which know their places; refuse what only a clever file would hold."""
    if len(text) > MOST_BYTES:
        raise MalformedInput(f"{where}: a policy is at most {MOST_BYTES} bytes")
    source = _decoded(text, where)
    try:
        _refuse(_unwanted(yaml.parse(source, Loader=yaml.SafeLoader)), where)
        node = yaml.compose(source, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not YAML: {error.problem or error.context or 'the file ends too early'}"
        if "chomping" in problem:
            problem += ' (put operators in quotes, such as ">=")'
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _malformed([_Problem(*place, problem)], where) from None
    except yaml.reader.ReaderError as error:
        line, column = _place(source[: error.position])
        raise _malformed([_Problem(line, column, "a character that YAML does not allow")], where) from None
    except (ValueError, OverflowError):
        # PyYAML lets chr() speak for itself on an escape beyond U+10FFFF.
        raise _malformed([_Problem(1, 1, "an escape that is no Unicode character")], where) from None
    if node is None:
        raise _malformed([_Problem(1, 1, "the file is empty")], where)
    return node


def _decoded(text: bytes, where: str) -> str:
    try:
        source = text.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = _place(text[: error.start].decode("utf-8"))
        raise _malformed([_Problem(line, column, "not UTF-8 text")], where) from None
    if source.startswith("\ufeff"):
        raise _malformed([_Problem(1, 1, "starts with a byte order mark: save as plain UTF-8")], where)
    return source


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _unwanted(events: Iterable[yaml.Event]) -> list[_Problem]:
    """List anchors, aliases, tags and deep nesting; composing recurses, so this comes before it."""
    problems: list[_Problem] = []
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problems.append(_at(event, "anchors and aliases are not allowed: write the value again"))
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            problems.append(_at(event, f"the tag {_shown(event.tag)} is not allowed"))
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH:
            return [_at(event, "nested too deeply for a policy")]
    return problems


def _values(node: yaml.Node, problems: list[_Problem]) -> object:
    """Turn nodes into dicts, lists, text, bool, int and Decimal; note what two readers could read apart."""
    if isinstance(node, yaml.MappingNode):
        values: dict[str, object] = {}
        for key, value in node.value:
            # A key is its text: YAML 1.1 would read the key `on` as true.
            if not isinstance(key, yaml.ScalarNode):
                problems.append(_at(key, "a field's name must be plain text"))
            elif key.value in values:
                problems.append(_at(key, f"the field {_shown(key.value)} is given twice"))
            else:
                values[key.value] = _values(value, problems)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_values(item, problems) for item in node.value]
    return _scalar(node, problems)


def _scalar(node: yaml.Node, problems: list[_Problem]) -> object:
    text: str = node.value
    match node.tag.rpartition(":")[2]:
        case "int" | "float" if number := _NUMBER.fullmatch(text):
            return Decimal(text) if number[2] else int(text)
        case "int" | "float":
            problems.append(_at(node, f"{_shown(text)} is not plain digits: write it like 0.80"))
        case "null":
            problems.append(_at(node, "no value: give one, or leave the field out"))
        case "bool":
            return text.lower() in ("yes", "true", "on")
        case "timestamp":
            problems.append(_at(node, f"{_shown(text)} would be read as a date: put it in quotes"))
    return text


def _problem(detail: ErrorDetails, root: yaml.Node) -> _Problem:
    """Put one of pydantic's errors into our words, at the place in the file that caused it."""
    loc = detail["loc"]
    rule = _RULES.get(str(loc[2])) if len(loc) > 2 and loc[0] == "rules" else None
    path = list(loc[:2] + loc[3:] if rule else loc)
    context = detail.get("ctx", {})
    error = context.get("error")
    if isinstance(error, _Misplaced):
        path.append(error.field)
    elif detail["type"] == "union_tag_invalid":
        path.append("kind")
    node = _find(root, path, key=detail["type"] == "unexpected_keyword_argument")
    return _at(node, _explained(detail, context, [field.name for field in fields(rule or _Document)]))


def _explained(detail: ErrorDetails, context: dict[str, Any], known: Sequence[str]) -> str:
    name = next((part for part in reversed(detail["loc"]) if isinstance(part, str)), "the policy")
    given = detail["input"]
    match detail["type"]:
        case "missing":
            return f"the field {name!r} is missing"
        case "unexpected_keyword_argument":
            return f"unknown field {_shown(name)}{_near(name, known)}"
        case "union_tag_not_found":
            return f"the rule has no 'kind': it is one of {', '.join(_RULES)}"
        case "union_tag_invalid":
            return f"unknown kind {_shown(context['tag'])}{_near(str(context['tag']), _RULES)}"
        case "literal_error":
            known = _literals(name, detail)
            return f"{_shown(given)} is not known for {name!r}{_near(str(given), known)}"
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


def _find(root: yaml.Node, path: Sequence[str | int], *, key: bool) -> yaml.Node:
    """Follow a path as far as it goes: the value's node, or with `key` the name's; else what should hold it."""
    node = root
    for depth, part in enumerate(path):
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == part), None)
            if pair is None:
                break
            node = pair[0] if key and depth == len(path) - 1 else pair[1]
        else:
            break
    return node


def _repeated_ids(root: yaml.Node) -> list[_Problem]:
    """Find rules whose id stands already; on the nodes, so that it is told along with every other mistake."""
    problems: list[_Problem] = []
    seen: dict[str, int] = {}
    rules = _find(root, ["rules"], key=False)
    for index in range(len(rules.value) if isinstance(rules, yaml.SequenceNode) and rules is not root else 0):
        node = _find(rules, [index, "id"], key=False)
        if isinstance(node, yaml.ScalarNode):
            if node.value in seen:
                first = f"the id {_shown(node.value)} is used already, on line {seen[node.value]}"
                problems.append(_at(node, first))
            seen.setdefault(node.value, node.start_mark.line + 1)
    return problems


def _at(place: yaml.Node | yaml.Event, message: str) -> _Problem:
    mark = place.start_mark
    assert mark is not None  # only nodes built by hand have none
    return _Problem(mark.line + 1, mark.column + 1, message)


def _refuse(problems: Sequence[_Problem], where: str) -> None:
    if problems:
        raise _malformed(problems, where)


def _malformed(problems: Sequence[_Problem], where: str) -> MalformedInput:
    shown = [f"{where}:{p.line}:{p.column}: {p.message}" for p in sorted(problems)[:_MOST_PROBLEMS_SHOWN]]
    if (more := len(problems) - len(shown)) > 0:
        shown.append(f"and {more} more")
    return MalformedInput("; ".join(shown))


def _near(name: str, known: Iterable[str]) -> str:
    """Offer the name that was probably meant, or the names there are."""
    known = list(known)
    # Names of one or two characters (operators) are all alike: list them instead.
    meant = difflib.get_close_matches(name, known, n=1) if len(name) > 2 else []
    return f"; did you mean {meant[0]!r}?" if meant else f" (known: {', '.join(known)})"


def _shown(value: object) -> str:
    # ascii() keeps lone surrogates and terminal escapes out of the message.
    text = (
        value if isinstance(value, str) else str(value) if isinstance(value, int | Decimal) else "this value"
    )
    return ascii(text) if len(text) <= 60 else ascii(text[:57] + "...")
