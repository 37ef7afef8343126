"""What `profile` prints of files and of recorded tables, and what `show`, `compare` and `report` make of it."""

import json
from pathlib import Path

import pytest

from registry.compare_profiles import profile_rows
from registry.profile import ColumnProfile, Profile
from registry.profile_shape import blocks, shape
from registry.profile_text import promise
from reports.issue import gather
from tests.command_line import Folder, a_lender


@pytest.fixture(scope="module")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    here = a_lender(tmp_path_factory.mktemp("profiles") / "lender")
    loans = here.path / "loans.csv"
    first, *rest = loans.read_text().splitlines()
    loans.write_text("\n".join([first, *rest, *rest[:40]]) + "\n")
    assert here("run", "loans.py", "--as", "scientist").exit_code == 0
    return here


def test_a_file_is_profiled_column_by_column(lender: Folder) -> None:
    found = Profile.from_json(lender.json("profile", "loans.csv"))
    assert [column.name for column in found.columns] == ["income", "debt", "race", "approve"]
    shown = lender.text("profile", "loans.csv")
    assert "income" in shown
    assert "▁" in shown


def test_a_protected_column_is_withheld(lender: Folder) -> None:
    race = lender.json("profile", "loans.csv", "--protect", "race")["columns"][2]
    assert (race["withheld"], race["values"]) == ("a protected column", [])
    assert "no column 'rce'" in lender("profile", "loans.csv", "--protect", "rce").stderr


def test_a_table_of_an_entry_is_shown_as_that_of_its_version(lender: Folder) -> None:
    first = lender.json("log", "--kind", "run", "--model", "loans")["entries"][-1]["seq"]
    by_version = lender.json("profile", "loans@1:applications")
    assert lender.json("profile", f"{first}:applications") == by_version


def test_a_recorded_table_is_shown_as_it_was_profiled(lender: Folder) -> None:
    recorded = Profile.from_json(lender.json("profile", "loans@1:applications"))
    race = recorded.column("race")
    assert race is not None
    assert race.withheld == "a protected column"
    nameless = lender("profile", "loans@1")
    assert nameless.exit_code == 2
    assert "write loans@1:TABLE, with one of applications, " in nameless.stderr
    refused = lender("profile", "loans@1:nothing")
    assert refused.exit_code == 2
    assert "those recorded are applications, split.train" in refused.stderr


def test_show_prints_the_profile_of_what_came_in(lender: Folder) -> None:
    shown = lender.text("show", "loans@1")
    assert "applications: " in shown
    assert "split.train: " not in shown
    assert "affidavit profile loans@1:TABLE" in shown
    assert shown.count("Missing values apart, no figure is about fewer than") == 1


def test_a_run_without_profiles_says_so_wherever_they_would_be(lender: Folder) -> None:
    from registry.home import find_home
    from registry.registry import Registry
    from reports.html import render

    made = lender.json("run", "loans.py", "--as", "scientist", "--no-profile")
    name = f"loans@{made['version']}"
    why = "it was run with --no-profile"
    assert f"applications is not profiled: {why}." in lender.text("show", name)
    refused = lender("profile", f"{name}:applications")
    assert (refused.exit_code, f"no profile of the table 'applications': {why}" in refused.stderr) == (
        2,
        True,
    )
    registry = Registry(find_home(str(lender.path)))
    try:
        dossier = gather(registry, name)
        assert [(each.table, each.profile, each.why) for each in dossier.profiles] == [
            ("applications", None, why)
        ]
        assert f"Not profiled: {why}." in render(dossier, "model-card")
    finally:
        registry.ledger.close()


def test_compare_says_how_the_data_differs_and_nothing_of_what_is_protected(lender: Folder) -> None:
    rows = lender.json("compare", "loans@1", "loans@3", status=1)["differences"]
    profiled = {row["name"] for row in rows if row["what"] == "profile"}
    assert "applications.income distinct" not in profiled  # the same rows again
    assert "applications.approve rows with 1" in profiled
    assert not any(".race" in name for name in profiled)


def test_a_report_draws_the_profiles_and_says_where_one_is_gone(lender: Folder, tmp_path: Path) -> None:
    from registry.home import Home, find_home
    from registry.registry import Registry
    from reports.html import render

    home: Home = find_home(str(lender.path))
    registry = Registry(home)
    dossier = gather(registry, "loans@1")
    [profiled] = dossier.profiles
    assert profiled.profile is not None
    assert "distributed, in 20 bars" in render(dossier, "model-card")
    assert profiled.sha256 is not None
    place = registry.artifacts.path(profiled.sha256)
    moved = place.rename(tmp_path / "gone")
    try:
        [gone] = gather(registry, "loans@1").profiles
        assert gone.profile is None
    finally:
        moved.rename(place)
        registry.ledger.close()


def test_runs_of_earlier_releases_have_nothing_to_compare() -> None:
    part = {"name": "t", "kind": "table", "fingerprint": "1"}
    run = {"steps": [{"outputs": [part]}]}
    other = {"steps": [{"outputs": [part | {"fingerprint": "2"}]}]}
    assert profile_rows(json.loads(json.dumps(run)), json.loads(json.dumps(other)), None) == []  # type: ignore[arg-type]


def test_a_shape_has_the_bars_of_its_quantiles() -> None:
    shares = tuple((f"{n / 20:g}", str(n)) for n in range(1, 20))
    even = ColumnProfile("x", "int", low="0", high="20", quantiles=shares)
    assert shape(even, 5) == pytest.approx((1.0,) * 5)
    piled = ColumnProfile("x", "int", low="0", high="10", quantiles=tuple((s, "0") for s, _ in shares))
    assert shape(piled, 2)[0] == 1.0


@pytest.mark.parametrize(
    "column",
    [
        ColumnProfile("x", "text"),
        ColumnProfile("x", "float", low="0", high="Infinity", quantiles=(("0.5", "1"),)),
        ColumnProfile("x", "float", low="what", high="1", quantiles=(("0.5", "1"),)),
    ],
)
def test_what_cannot_be_drawn_has_no_bars(column: ColumnProfile) -> None:
    assert blocks(shape(column, 8)) == ""


def test_a_profile_of_an_earlier_release_promises_no_more_than_it_keeps() -> None:
    assert "no figure is about fewer than 10 rows" in promise(Profile(20, ()))
    assert "quantiles are values of single rows" in promise(Profile(20, (), scheme="affidavit-profile-v1"))
