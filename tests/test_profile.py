"""Profiles: the same for the same table whoever holds it, within the small-cell rule, bounded, and never wrong."""

import datetime
import decimal
import statistics
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from audit.canonical import Json, decode, encode
from audit.errors import MalformedInput, NotFound
from registry.cardinality import RELATIVE_ERROR
from registry.column_profile import MeasuredColumn
from registry.profile import MOST_COLUMNS, ColumnProfile, Profile, profile
from registry.profile_figures import ToldColumn
from registry.profile_text import rows
from registry.protected_names import is_protected
from registry.value_sample import MEAN_ERROR, SHARE_ERROR

ROWS = 1_000


def one(values: Any, **options: Any) -> ColumnProfile:
    table = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    return profile(pa.table({"x": table}), **options).columns[0]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    draw = np.random.default_rng(2)
    income = draw.normal(3000, 800, ROWS)
    days = draw.integers(0, 9000, ROWS)
    born = [datetime.date(1960, 1, 1) + datetime.timedelta(int(day)) for day in days]
    seen = [datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=int(day) * 977) for day in days]
    return pa.table(
        {
            "income": pa.array(income, mask=draw.random(ROWS) < 0.1),
            "children": pa.array(draw.integers(0, 5, ROWS)),
            "home": pa.array(draw.choice(["house", "flat", "castle"], ROWS, p=[0.6, 0.395, 0.005])),
            "name": pa.array([f"applicant {n}" for n in range(ROWS)]),
            "born": pa.array(born),
            "seen": pa.array(seen),
            "took": pa.array([datetime.timedelta(milliseconds=int(day)) for day in days]),
            "owner": pa.array(draw.random(ROWS) < 0.3),
            "rate": pa.array([decimal.Decimal(int(day)) / 100 for day in days]),
            "tags": pa.array([["a"] * int(day % 4) for day in days]),
            "none": pa.nulls(ROWS),
        }
    )


@pytest.fixture(scope="module")
def found(table: pa.Table) -> Profile:
    return profile(table)


def holders(table: pa.Table) -> dict[str, Any]:
    uneven = pa.concat_tables([table.slice(0, 7), table.slice(7, 613), table.slice(620)])
    wide = table.set_column(1, "children", table["children"].cast(pa.int8()))
    coded = table.set_column(2, "home", table["home"].dictionary_encode())
    padded = pa.concat_tables([table, table]).slice(ROWS, ROWS)
    scaled = table.set_column(8, "rate", table["rate"].cast(pa.decimal128(30, 9)))
    fine = table.set_column(5, "seen", table["seen"].cast(pa.timestamp("ns")))
    return {
        "pandas, of Arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
        "polars": pl.from_arrow(table),
        "uneven chunks": uneven,
        "narrow integers": wide,
        "categories": coded,
        "a slice": padded,
        "another scale": scaled,
        "another unit": fine,
        "a stream": pa.RecordBatchReader.from_batches(table.schema, uneven.to_batches()),
    }


@pytest.mark.parametrize(
    "holder",
    [
        *("pandas, of Arrow", "polars", "uneven chunks", "narrow integers", "categories", "a slice"),
        *("another scale", "another unit", "a stream"),
    ],
)
def test_the_same_table_has_the_same_bytes(holder: str, table: pa.Table, found: Profile) -> None:
    assert encode(profile(holders(table)[holder]).to_json()) == encode(found.to_json())


def test_pandas_of_numpy_has_the_same_bytes(table: pa.Table) -> None:
    some = table.select(["income", "children", "home", "seen", "owner"])
    assert profile(some.to_pandas()) == profile(some)


def test_a_file_has_the_profile_of_its_table(table: pa.Table, found: Profile, tmp_path: Path) -> None:
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=333)
    assert profile(tmp_path / "t.parquet") == found


def test_a_csv_whose_types_change_late_is_profiled_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 1_200_000 + "x\n" * 20)
    column = profile(path).columns[0]
    assert (column.type, column.missing, column.values) == ("text", 0, (("1", 1_200_000), ("x", 20)))


def test_a_profile_is_read_again_as_it_was_written(found: Profile) -> None:
    assert Profile.from_json(decode(encode(found.to_json()))) == found


def test_a_profile_of_the_scheme_before_is_read_and_written_as_it_was(found: Profile) -> None:
    before = found.to_json() | {"scheme": "affidavit-profile-v1"}
    before["errors"] = {"distinct": "0.0081", "quantiles": "0.000123"}
    assert Profile.from_json(before).to_json() == before


def test_the_errors_that_a_profile_tells_are_those_of_its_estimates(found: Profile) -> None:
    errors = {"distinct": RELATIVE_ERROR, "quantile_shares": SHARE_ERROR, "means": MEAN_ERROR}
    assert found.to_json()["errors"] == errors


@settings(max_examples=60)
@given(st.lists(st.none() | st.floats(-1e6, 1e6, width=32).map(lambda x: x + 0.5), max_size=80))
def test_figures_are_those_of_the_values_where_a_single_row_may_show(values: list[float | None]) -> None:
    column = one(pa.array(values, pa.float64()), small_cell=1)
    present = sorted(value for value in values if value is not None)
    assert column.missing == len(values) - len(present)
    assert (column.distinct or 0) == len(set(present))
    if len(present) >= 20 and column.note is None:
        ranks = [-(-len(present) * n // 20) for n in range(1, 20)]
        assert [float(at) for _, at in column.quantiles] == [present[rank - 1] for rank in ranks]
        assert (float(str(column.low)), float(str(column.high))) == (present[0], present[-1])
        width, spread = present[-1] - present[0], statistics.stdev(present)
        if column.deviation is not None:
            mean = pytest.approx(statistics.fmean(present), abs=3 * width / len(present) + spread * 0.011)
            assert float(str(column.mean)) == mean
            step = 3 * width**2 / len(present) / (spread or 1)
            assert float(str(column.deviation)) == pytest.approx(spread, abs=step + spread * 0.011)


# --- what is told and what is not ---------------------------------------------------------------------------


def test_a_value_of_fewer_rows_than_the_threshold_is_hidden_with_another(found: Profile) -> None:
    home = found.column("home")
    assert home is not None
    assert [value for value, _ in home.values] == ["house"]
    assert (home.hidden, home.distinct) == (2, 3)


def test_names_are_told_by_their_lengths_alone(found: Profile, table: pa.Table) -> None:
    name = found.column("name")
    assert name is not None
    assert (name.values, name.lengths) == ((), ("11", "13", "13"))
    assert "applicant" not in encode(found.to_json()).decode()


def test_a_range_leaves_out_ten_rows_at_either_end_and_is_rounded_outward(
    table: pa.Table, found: Profile
) -> None:
    income = found.column("income")
    assert income is not None
    values = sorted(value for value in table["income"].to_pylist() if value is not None)
    assert (income.low, income.high) == ("1000", "5500")
    assert (1000 < values[9] < 1500, 5000 < values[-10] < 5500) == (True, True)


def test_nine_rows_have_a_type_and_their_missing_values() -> None:
    said = one([1, 2, 3, 4, 5, 6, 7, 8, None, 9]).to_json()
    told = {name for name, value in said.items() if value not in (None, [])}
    assert told == {"name", "type", "missing", "missing_share"}


def test_the_mean_of_a_rare_truth_is_not_told() -> None:
    column = one([0] * 995 + [1] * 5)
    assert (column.values, column.mean, column.low, column.high) == ((), None, "0", "0")


def test_a_long_text_is_never_told() -> None:
    assert one(["a" * 65] * 50 + ["b"] * 50).values == ()


def test_of_a_withheld_column_only_type_and_share_are_told(found: Profile) -> None:
    income = found.withholding(["income"]).columns[0]
    said = {name: value for name, value in income.to_json().items() if value not in (None, [])}
    assert said == {
        "name": "income",
        "type": "float",
        "missing_share": "0.1",
        "withheld": "a protected column",
    }


def test_what_may_be_profiled_is_told_although_protected(found: Profile) -> None:
    assert found.withholding(["income", "home"], ["home"]).column("home") == found.column("home")


@pytest.mark.parametrize(
    ("name", "protected"),
    [
        ("race", True),
        ("Race", True),
        ("race_black", True),
        ("race=2", True),
        ("Race (coded)", True),
        ("RA-CE_black", True),
        ("onehot__race_black", True),
        ("racer", False),
        ("trace", False),
        ("trace__racer", False),
    ],
)
def test_a_column_named_after_a_protected_one_is_protected(name: str, protected: bool) -> None:
    assert is_protected(name, ["race"]) is protected


# --- every kind of input ------------------------------------------------------------------------------------


def test_times_are_told_as_people_write_them() -> None:
    day = datetime.date(2024, 2, 29)
    assert one([day] * 20).low == "2024-02-29"
    moment = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.UTC)
    assert one([moment] * 20).low == "2024-02-29T12:30:00Z"
    assert one([datetime.time(8, 15)] * 20).low == "08:15:00"
    assert one([datetime.timedelta(days=1, milliseconds=500)] * 20).low == "86400.5"


def test_a_constant_has_its_mean_and_no_deviation() -> None:
    column = one([0.1] * 20)
    assert (column.mean, column.deviation, column.low, column.values) == ("0.1", "0", "0.1", (("0.1", 20),))


def test_infinite_floats_are_values_without_a_mean() -> None:
    column = one([float("inf")] * 20 + [1.0] * 20)
    assert (column.mean, column.high) == (None, "Infinity")
    assert column.values == (("1", 20), ("Infinity", 20))


def test_squares_that_overflow_have_no_deviation() -> None:
    column = one([1e300, -1e300] * 20)
    assert (column.mean, column.deviation, column.low) == (None, None, "-1e+300")


def test_nan_and_minus_zero_are_missing_and_zero() -> None:
    column = one(np.array([float("nan")] * 5 + [-0.0] * 20 + [0.0] * 20))
    assert (column.missing, column.values) == (5, (("0", 40),))


def test_integers_beyond_int64_have_their_missing_values_told() -> None:
    column = one(pa.array([2**64 - 1, None] * 20, pa.uint64()))
    assert (column.missing, column.distinct) == (20, None)
    assert "above 2^63-1" in str(column.note)


def test_no_rows_and_no_values_are_no_error() -> None:
    empty = profile(pa.table({"a": pa.array([], pa.float64()), "b": pa.array([], pa.string())}))
    assert (empty.rows, [column.missing for column in empty.columns]) == (0, [0, 0])
    missing = one(pa.array([None] * 30, pa.float64()))
    assert (missing.missing, missing.missing_share, missing.distinct) == (30, "1", None)


def test_nested_columns_have_lengths_or_nothing() -> None:
    nested = profile(
        pa.table(
            {
                "list": pa.array([[1], [1, 2]] * 20),
                "struct": pa.array([{"a": 1}, None] * 20),
                "map": pa.array([[("k", 1)], None] * 20, pa.map_(pa.string(), pa.int64())),
            }
        )
    )
    assert [column.lengths for column in nested.columns] == [("1", "1", "2"), None, None]
    assert [column.missing for column in nested.columns] == [0, 20, 20]


def test_ten_thousand_columns_are_bounded_and_the_rest_is_counted() -> None:
    found = profile(np.zeros((20, 10_000)))
    assert (len(found.columns), found.omitted) == (MOST_COLUMNS, 10_000 - MOST_COLUMNS)
    assert len(encode(found.to_json())) < 1_000_000


def test_a_column_whose_rows_are_all_in_holds_none_of_them_any_more() -> None:
    measured = MeasuredColumn("a")
    held = weakref.ref(measured)
    column = ToldColumn(measured, 10, rows=40)
    del measured
    for _ in range(2):
        assert held() is not None
        column.feed(pa.array(range(20)))
    assert held() is None
    assert column.told().distinct == 20


def test_a_type_that_has_no_form_is_refused_by_the_name_of_its_column() -> None:
    months = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    with pytest.raises(MalformedInput, match="column 'waited' has the type month_day_nano_interval"):
        profile(pa.table({"waited": months}))


def test_mixed_objects_are_refused_with_a_sentence() -> None:
    with pytest.raises(MalformedInput, match="column 'a'"):
        profile(pd.DataFrame({"a": [1, "x", None]}, dtype=object))


def test_a_file_that_is_not_there_is_said_to_be_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        profile(str(tmp_path / "none.csv"))


@pytest.mark.parametrize("small_cell", [0, -1, True, 2.5])
def test_a_threshold_is_a_whole_number(small_cell: Any) -> None:
    with pytest.raises(MalformedInput, match="whole number"):
        profile(pa.table({"a": [1]}), small_cell=small_cell)


DAMAGED: list[Json] = [
    None,
    [],
    {"scheme": "another"},
    {"scheme": "affidavit-profile-v2", "rows": 1, "omitted": 0, "small_cell": 10},
    {"scheme": "affidavit-profile-v2", "rows": -1, "omitted": 0, "small_cell": 10, "columns": []},
    {"scheme": "affidavit-profile-v2", "rows": 1, "omitted": 0, "small_cell": 10, "columns": [{"name": "a"}]},
    {"scheme": "affidavit-profile-v2", "rows": 1, "omitted": 0, "small_cell": 10, "columns": [7]},
]


@pytest.mark.parametrize("value", DAMAGED)
def test_what_is_no_profile_is_refused(value: Json) -> None:
    with pytest.raises(MalformedInput):
        Profile.from_json(value)


def test_how_far_dates_and_times_spread_is_said_in_days_or_with_its_unit() -> None:
    days = pd.date_range("1940-01-01", periods=400, freq="30D")
    spread = [row.mean for row in rows(profile(pd.DataFrame({"born": days, "seen": days[:1].repeat(400)})))]
    assert spread[0].endswith(" days")
    assert float(spread[0].split(" ± ")[1].removesuffix(" days")) == pytest.approx(3464, rel=0.05)
    assert spread[1].endswith(" ± 0 s")


@pytest.mark.parametrize(
    ("rows", "missing", "share"),
    [
        (3, 1, None),
        (19, 19, None),
        (20, 4, "0"),
        (100, 4, "0"),
        (100, 5, "0"),
        (100, 6, "0.1"),
        (1000, 4, "0"),
    ],
)
def test_of_a_protected_column_the_share_of_missing_values_tells_of_no_few_rows(
    rows: int, missing: int, share: str | None
) -> None:
    table = pd.DataFrame({"race": ["a"] * (rows - missing) + [None] * missing})
    assert profile(table).withholding(["race"]).columns[0].missing_share == share
