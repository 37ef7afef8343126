"""How figures, times, digests and parameters are written in a report.

Rules:

- A figure arrives as the decimal string of the ledger and is rounded for print only, half to even, by
  decimal arithmetic: no float is made on the way. The evidence keeps every digit.
- What is not known is written in words (`UNKNOWN`, `NO_DATA`, `NOT_KNOWN`), never as 0 and never as an empty cell.
- A time is written as the ledger has it, in UTC; nothing here reads a clock or a locale.

Example::

    >>> figure("0.871204"), count(1989), confidence("0.95")
    ('0.871', '1,989', '95%')
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from audit.canonical import Json
from registry.recorded_values import WRITTEN_AS_TEXT

__all__ = [
    "DASH",
    "NOT_KNOWN",
    "NO_DATA",
    "UNKNOWN",
    "brief_value",
    "bytes_of",
    "confidence",
    "count",
    "figure",
    "instant",
    "interval",
    "label",
    "no_value",
    "number",
    "plain_list",
    "scheme_and_hex",
    "seconds",
    "sentence",
    "short",
    "value",
    "yes_or_no",
]

UNKNOWN = "not recorded"
NO_DATA = "not enough data"
NOT_KNOWN = "not known"

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip
LABELS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "base_rate": "Base rate (actual positives)",
    "brier_score": "Brier score (lower is better)",
    "demographic_parity_difference": "Selection rate difference (demographic parity)",
    "demographic_parity_ratio": "Selection rate ratio (demographic parity)",
    "equalized_odds_difference": "Equalized odds difference",
    "f1": "F1 score",
    "false_positive_rate": "False positive rate",
    "precision": "Precision",
    "roc_auc": "Area under the ROC curve",
    "selection_rate": "Selection rate",
    "true_positive_rate": "True positive rate",
}


def no_value(note: str | None) -> str:
    """Write what stands in place of a figure without a value, by its note.

    >>> no_value("not known: a group that has enough rows is told together with others"), no_value(None)
    ('not known', 'not enough data')
    """
    return NOT_KNOWN if (note or "").startswith(NOT_KNOWN) else NO_DATA


def figure(text: str | None, places: int = 3) -> str:
    """Write a decimal string with `places` decimals; two significant digits where those would all be 0.

    Text that is not a number is written as it stands: a report hides nothing it was given.
    """
    if text is None:
        return NO_DATA
    try:
        exact = Decimal(text)
    except InvalidOperation:
        return text
    if not exact.is_finite():
        return text
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
    if exact and not rounded:
        rounded = exact.quantize(Decimal(1).scaleb(-min(1 - exact.adjusted(), 12)), rounding=ROUND_HALF_EVEN)
    if not rounded:
        rounded = abs(rounded)
    return f"{rounded:,f}".replace("-", MINUS)


def interval(low: str | None, high: str | None) -> str:
    """Write an interval; with a negative end it is `a to b`, since a dash would read as a minus."""
    if low is None or high is None:
        return "no interval"
    written = figure(low), figure(high)
    return (" to " if MINUS in "".join(written) else DASH).join(written)


def confidence(text: str | None) -> str:
    """Write a confidence level: `"0.95"` as `95%`, as the gate's messages do."""
    if text is None:
        return ""
    try:
        share = Decimal(text) * 100
    except InvalidOperation:
        return text
    return f"{share.normalize():f}%"


def number(text: str | None) -> float | None:
    """Read a decimal string for drawing or ordering; None where it is not a finite number."""
    try:
        return None if text is None or not Decimal(text).is_finite() else float(text)
    except InvalidOperation:
        return None


def count(whole: int | None) -> str:
    """Write a whole number with thousands separators."""
    return UNKNOWN if whole is None else f"{whole:,}".replace("-", MINUS)


def bytes_of(size: int | None) -> str:
    """Write a size in bytes, exactly."""
    return UNKNOWN if size is None else f"{size:,}\N{NO-BREAK SPACE}bytes"


def seconds(text: str | None) -> str:
    """Write a duration given in seconds."""
    if text is None:
        return UNKNOWN
    length = number(text)
    if length is not None and 0 < length < 0.001:
        return "<\N{NO-BREAK SPACE}0.001\N{NO-BREAK SPACE}s"
    return f"{figure(text)}\N{NO-BREAK SPACE}s"


def instant(text: str | None) -> str:
    """Write a ledger time (RFC 3339, UTC) for people, to the second; other text as it stands."""
    if text is None:
        return UNKNOWN
    date, found, clock = text.partition("T")
    parts = date.split("-")
    if not found or len(parts) != 3 or not all(part.isdigit() for part in parts) or not text.endswith("Z"):
        return text
    year, month, day = (int(part) for part in parts)
    if not 1 <= month <= 12:
        return text
    return f"{day}\N{NO-BREAK SPACE}{MONTHS[month - 1]}\N{NO-BREAK SPACE}{year}, {clock[:8]}\N{NO-BREAK SPACE}UTC"


def sentence(text: str) -> str:
    """Write a finding as a sentence: its first letter is made a capital, the rest stays as it is."""
    return text[:1].upper() + text[1:]


def short(digest: str | None, length: int = 12) -> str:
    """Write the first `length` hexadecimal digits of a digest or fingerprint."""
    return UNKNOWN if digest is None else scheme_and_hex(digest)[1][:length]


def scheme_and_hex(digest: str) -> tuple[str, str]:
    """Split `affidavit-table-v1:sha256:<hex>` into what made it and its digits."""
    scheme, _, digits = digest.rpartition(":")
    return scheme, digits


def label(name: str) -> str:
    """Name a measure for people; one that is not known here keeps its own words."""
    return LABELS.get(name) or name.replace("_", " ").strip().capitalize() or name


def yes_or_no(answer: bool | None) -> str:
    """Write a truth value; one that nobody recorded is said to be so."""
    return UNKNOWN if answer is None else "yes" if answer else "no"


def plain_list(items: Sequence[str], none: str = "none") -> str:
    """Join words as a sentence does: `a, b and c`."""
    if not items:
        return none
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def value(item: Json) -> str:
    """Write one parameter; `{"decimal": "1.0"}` stands for the float it names, `{"time": ...}` for the time."""
    if item is None:
        return "none"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, Mapping):
        if len(item) == 1 and item.keys() <= WRITTEN_AS_TEXT:
            return str(next(iter(item.values())))
        return "{" + ", ".join(f"{key}: {value(item[key])}" for key in sorted(item)) + "}"
    if isinstance(item, list):
        return "[" + ", ".join(value(part) for part in item) + "]"
    return str(item)


def brief_value(item: Json, limit: int = 160) -> str:
    """Write one parameter in at most `limit` characters, saying how much was left out."""
    written = value(item)
    if len(written) <= limit:
        return written
    return f"{written[:limit]}… ({len(written) - limit:,} more characters in the ledger entry)"
