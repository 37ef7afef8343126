"""The functions of polars whose lineage is known: each depends on nothing but its inputs and its settings.

Rules:

- A function that is not listed is not understood: what a later version of polars brings is unknown until it was read.
- Functions of Python (`map_elements`, `fold`) are on no list, and polars does not show them.
- How many values come out of `COUNTED` is decided by the values that go in; of the others by how many go in.

>>> is_known("StringFunction.Uppercase"), is_known("drop_nulls"), is_known("plugin")
(True, True, False)
>>> is_counted("drop_nulls")
True
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["AGGREGATES", "is_counted", "is_known"]


def _listed(names: str) -> frozenset[str]:
    return frozenset(names.split())


AGGREGATES: Final = _listed("count first implode item last max mean median min n_unique quantile std sum var")
"""What makes one value of many, whatever they are."""

PLAIN: Final = _listed("""
    abs approx_n_unique arccos arccosh arcsin arcsinh arctan arctanh arg_max arg_min as_struct atan2 cbrt ceil
    clip coalesce corr cos cosh cot cum_count cum_max cum_min cum_prod cum_sum cut degrees diff entropy erf erfc
    exp fill_null fill_null_with_strategy floor hash index_of interpolate interpolate_by kurtosis log log1p
    max_by max_horizontal mean_horizontal min_by min_horizontal negate null_count pct_change peak_max peak_min
    pow product qcut quantile radians rank repeat_by replace replace_strict reverse rle_id round round_sig_figs
    set_sorted shift shift_and_fill shuffle sign sin sinh skew sqrt sum_horizontal tan tanh to_physical truncate
""")

COUNTED: Final = _listed("""
    arg_unique argwhere concat drop_nans drop_nulls extend_constant gather_every hist mode repeat rle sample
    search_sorted top_k top_k_by unique unique_counts value_counts ArrayFunction.Explode RangeFunction.DateRange
    RangeFunction.DatetimeRange RangeFunction.IntRange RangeFunction.LinearSpace RangeFunction.TimeRange
""")

FAMILIES: Final[Mapping[str, frozenset[str]]] = {
    family: _listed(names)
    for family, names in {
        "ArrayFunction": """ArgMax ArgMin Concat Contains CountMatches Dot Get Join Length Max Mean Median Min Shift
            Slice Sort Std Sum ToList ToStruct Var""",
        "BitwiseFunction": """And CountOnes CountZeros LeadingOnes LeadingZeros Or TrailingOnes TrailingZeros Xor""",
        "BooleanFunction": """All AllHorizontal Any AnyHorizontal HasNulls IsBetween IsClose IsDuplicated IsEmpty
            IsFinite IsFirstDistinct IsIn IsInfinite IsLastDistinct IsNan IsNotNan IsNotNull IsNull IsSorted IsUnique
            Not""",
        "EwmFunction": "Mean MeanBy Std Sum SumBy Var",
        "ListFunction": """ArgMax ArgMin Concat Contains CountMatches Diff DropNulls Gather GatherEvery Get Join Length
            Max Mean Median Min Sample SetOperation Shift Slice Sort Std Sum ToArray ToStruct Var""",
        "RangeFunction": "DateRanges DatetimeRanges IntRanges LinearSpaces TimeRanges",
        "RollingFunction": "CorrCov Kurtosis Max Mean Min Quantile Rank Skew Std Sum Var",
        "RollingFunctionBy": "MaxBy MeanBy MinBy QuantileBy RankBy StdBy SumBy VarBy",
        "StringFunction": """ConcatHorizontal ConcatVertical Contains ContainsAny CountMatches EndsWith EscapeRegex
            Extract ExtractAll ExtractGroups ExtractMany Find FindMany Format Head HexDecode HexEncode JsonDecode
            JsonPathMatch LenBytes LenChars Lowercase Normalize PadEnd PadStart Replace ReplaceMany Reverse Slice Split
            SplitExact SplitN SplitRegex StartsWith StripChars StripCharsEnd StripCharsStart StripPrefix StripSuffix
            Strptime Tail Titlecase ToDecimal ToInteger Uppercase ZFill""",
        "StructFunction": "DropFields FieldByName JsonEncode PrefixFields RenameFields SuffixFields WithFields",
        "TemporalFunction": """BaseUtcOffset CastTimeUnit Century Combine ConvertTimeZone DSTOffset Date Datetime
            DatetimeFunction Day DaysInMonth Duration Hour IsLeapYear IsoYear Microsecond Millennium Millisecond Minute
            Month MonthEnd MonthStart Nanosecond OffsetBy OrdinalDay Quarter Replace ReplaceTimeZone Round Second Time
            TimeStamp ToString TotalDays TotalHours TotalMicroseconds TotalMilliseconds TotalMinutes TotalNanoseconds
            TotalSeconds Truncate Week WeekDay WithTimeUnit Year""",
    }.items()
}


def is_known(name: str) -> bool:
    """Say whether a function, as polars names it in its plans, depends on its inputs and settings alone."""
    family, _, member = name.partition(".")
    return name in PLAIN or name in COUNTED or member in FAMILIES.get(family, ())


def is_counted(name: str) -> bool:
    """Say whether the values that go into a function decide how many come out."""
    return name in COUNTED
