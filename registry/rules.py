"""The rules a policy is made of: what each kind may say, checked when it is made.

Rules:

- Every rule has an id, a sentence that a person can read, and the clauses it serves.
- A field that is unknown, or that contradicts the fields beside it, is refused: a limit never means less than
  it seems to say. Numbers stay decimal.

>>> FactRule(id="clean", says="The code was clean.", clauses=(), fact="code-clean").kind
'fact'
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictInt

from registry.policy_file import shown
from registry.profile import Level
from registry.sentences import did_you_mean

__all__ = [
    "CONFIDENCE",
    "DISPARITIES",
    "EVERY",
    "GROUP_METRICS",
    "MINIMUM",
    "OVERALL_METRICS",
    "ROWS",
    "STRICT",
    "ApprovalRule",
    "FactName",
    "FactRule",
    "LimitRule",
    "Line",
    "LineageRule",
    "Misplaced",
    "PrivacyRule",
    "ReproductionRule",
    "Rule",
    "Slug",
]

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
    "data-checks-passed",
]  # fmt: skip
"""The facts about a run that a rule may ask for; `registry.facts.FACTS` says how each is read."""


class Misplaced(ValueError):
    """A field that is right alone and wrong beside the others; `field` says where to point."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _line(text: object) -> str:
    """Accept one line of visible text in NFC: it is printed in terminals, reports and statements."""
    if not isinstance(text, str):
        raise ValueError(f"{shown(text)} must be text: put it in quotes")
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
        raise ValueError(f"{shown(text)} must be lower-case words joined by hyphens, at most 64 characters")
    return text


def _clause(text: str) -> str:
    if not re.fullmatch(r"[A-Z][A-Z0-9-]*:[A-Za-z0-9][A-Za-z0-9._-]*", text) or len(text) > 80:
        raise ValueError(f"{shown(text)} must be REGIME:ITEM, such as NIST-AI-RMF:MEASURE-2.11")
    return text


def _number(value: object) -> Decimal:
    # bool is an int to Python and never a limit to a person.
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"{shown(value)} is not a number: write plain digits without quotes, such as 0.80")
    return Decimal(value)


def _some(values: object) -> object:
    # Not Field(min_length=1): pydantic counts only the valid ones, and would call one bad rule "no rules".
    if values == []:
        raise ValueError("needs at least one")
    return values


Line = Annotated[str, BeforeValidator(_line)]
Slug = Annotated[str, BeforeValidator(_line), AfterValidator(_slug)]
Clause = Annotated[str, BeforeValidator(_line), AfterValidator(_clause)]
Number = Annotated[Decimal, BeforeValidator(_number)]
STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What every rule has: an id, a sentence for people, and the clauses it serves."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

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
            raise Misplaced("group", "'group' needs 'of': name the attribute that the group belongs to")
        if self.metric not in (known := self._metrics()):
            what = "a disparity" if known is DISPARITIES else "a metric"
            raise Misplaced(
                "metric", f"{shown(self.metric)} is not {what} known here{did_you_mean(self.metric, known)}"
            )
        if self.metric == ROWS and self.on == "interval":
            raise Misplaced("on", "'rows' is a count and has no interval: write on: point")
        if self.small_groups and (self.of is None or self.group not in (None, EVERY) or self.metric == ROWS):
            raise Misplaced(
                "small_groups", "'small_groups' belongs to a disparity or to a rate of every group"
            )
        if self.minimum is not None and (self.of is None or self.metric == ROWS):
            raise Misplaced("minimum", "'minimum' belongs to a disparity or to a rate of a group")
        if self.confidence is not None and (self.on == "point" or not 0 < self.confidence < 1):
            raise Misplaced("confidence", "'confidence' lies between 0 and 1 and belongs to on: interval")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageRule(_Said):
    """No protected column reaches what the model reads, by any path.

    `protected` None means the columns by which bias was measured. `rows` says what to make of paths that only
    decide which rows there are, and in which order: `refuse` (None means the same) or `ignore`. `observation` says
    whether what was seen on a sample is enough: `refuse` (None means the same) or `accept`. `target` refuse says that
    none reaches the target of the model either, as a run declares it; `ignore` (None means the same) asks nothing.
    """

    kind: Literal["lineage"] = "lineage"
    protected: Annotated[tuple[Line, ...], BeforeValidator(_some)] | None = None
    rows: Literal["refuse", "ignore"] | None = None
    observation: Literal["refuse", "accept"] | None = None
    target: Literal["refuse", "ignore"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyRule(_Said):
    """What the record of a run may give away of columns about people; runs are recorded so from its adoption on.

    `columns` None means the columns that the run protects. `fingerprint` keyed: no digest of them without the ledger's
    fingerprint key. `profile` is the most that profiles may tell of them. A kept copy of a table that has one of them
    fails the rule, unless `kept` is all; nothing: none is made, whatever who records asks for. `smallest_group`: bias
    by them tells no group of fewer rows.
    """

    kind: Literal["privacy"] = "privacy"
    columns: Annotated[tuple[Line, ...], BeforeValidator(_some)] | None = None
    fingerprint: Literal["keyed"] | None = None
    profile: Level | None = None
    kept: Literal["nothing", "all"] | None = None
    smallest_group: Annotated[StrictInt, Field(ge=2, le=1_000)] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where the rule asks nothing."""
        asked = (self.fingerprint, self.profile, self.smallest_group)
        if asked == (None, None, None) and self.kept != "nothing":
            raise Misplaced(
                "kind",
                "a privacy rule asks nothing without 'fingerprint', 'profile', 'smallest_group' or 'kept: nothing'",
            )


Rule = LimitRule | FactRule | LineageRule | PrivacyRule | ApprovalRule | ReproductionRule
