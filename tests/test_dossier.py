"""The dossier and its HTML: one verdict, every fact with its entry, gaps told, nothing invented."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from typing import Any

import pytest

from audit.canonical import Json
from audit.errors import NotFound
from reports import formats
from reports.dossier import Dossier, EntryFacts
from reports.html import notes_of, passed_on, render, template_names
from tests import report_example as made


def words(dossier: Dossier, template: str = "model-card") -> str:
    """Give the text of a report, without marks and with single spaces."""
    body = re.sub(r"<style>.*?</style>", "", render(dossier, template), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def undecided(**changes: Any) -> Dossier:
    return made.example(**{"stages": (), "approvals": [], "decisions": [], "reproductions": [], **changes})


def test_a_promotion_that_holds_is_promoted() -> None:
    verdict = made.example().verdict
    assert (verdict.words, verdict.tone) == ("Promoted to production", "good")


def test_no_decision_is_not_decided() -> None:
    verdict = undecided().verdict
    assert (verdict.words, verdict.tone) == ("Not decided", "neutral")


def test_approvals_alone_decide_nothing() -> None:
    assert undecided(approvals=made.approval_entries()).verdict.words == "Not decided"


def test_a_stage_that_no_decision_backs_is_not_a_promotion() -> None:
    verdict = undecided(stages=("production",)).verdict
    assert verdict.words == "Not decided"
    assert "must not be taken as promoted" in verdict.sentence


def test_a_refusal_names_the_rules_that_were_not_met() -> None:
    verdict = undecided(decisions=made.decision_entries()[:1]).verdict
    assert (verdict.words, verdict.tone) == ("Refused for production", "bad")
    assert "lending-1 (failed)" in verdict.sentence
    assert "baseline-3 (missing)" in verdict.sentence


def test_a_refusal_after_a_promotion_is_what_is_said() -> None:
    time = "2026-11-24T08:00:00.000000Z"
    later = made.entry(
        20, "decision", "approver", time, made.decision_predicate("refused", made.REFUSED, [], time)
    )
    verdict = made.example(decisions=[later, *made.decision_entries()]).verdict
    assert verdict.words == "Refused for production"
    assert "still holds production" in verdict.sentence


def test_a_promotion_over_rules_that_are_not_met_is_no_plain_pass() -> None:
    time = "2026-11-24T08:00:00.000000Z"
    told = made.decision_predicate("promoted", made.REFUSED, [], time)
    verdict = made.example(decisions=[made.entry(20, "decision", "approver", time, told)]).verdict
    assert verdict.tone == "caution"
    assert "although" in verdict.sentence


def test_a_stage_that_has_moved_on_is_told() -> None:
    assert made.example(stages=()).verdict.words == "Formerly in production"


def test_a_failed_run_is_a_failed_run_whatever_was_decided() -> None:
    run = made.run_entry(status="failed", failure={"step": "model", "error": "ValueError"}, evaluation=None)
    verdict = made.example(run=run).verdict
    assert (verdict.words, verdict.tone) == ("Failed run", "bad")
    assert "ValueError" in verdict.sentence


def test_an_outcome_that_is_unknown_counts_as_missing() -> None:
    time = "2026-11-24T08:00:00.000000Z"
    told = made.decision_predicate("promoted", ["splendid"] * 7, [], time)
    dossier = made.example(decisions=[made.entry(20, "decision", "approver", time, told)])
    assert {rule.outcome for rule in dossier.decisions[0].rules} == {"missing"}


def with_limits(*limits: str, decision: str = "promoted", outcome: str = "passed") -> Dossier:
    time = "2026-11-24T08:00:00.000000Z"
    rules: list[Json] = [
        {
            "id": "parity-by-race",
            "policy": "lending",
            "outcome": outcome,
            "says": "Each racial group is approved often enough.",
            "message": "parity by race is 0.953",
            "clauses": ["NIST-AI-RMF:MEASURE-2.11"],
            "metric": "demographic_parity_ratio",
            "limit": limit,
        }
        for limit in limits
    ]
    told = made.decision_predicate(decision, made.PROMOTED, [], time, rules=rules)
    return made.example(decisions=[made.entry(20, "decision", "approver", time, told)])


def test_a_rule_shows_what_it_demands_and_what_was_found() -> None:
    assert "Each racial group is approved often enough. Parity by race is 0.953" in words(with_limits("0.80"))


def test_a_rule_of_an_earlier_release_shows_what_was_found() -> None:
    assert "Accuracy is at least 0.800: 0.871, n = 597." in words(made.example())
    assert {rule.says for rule in made.example().decisions[0].rules} == {None}


def test_the_limit_that_a_rule_sets_is_drawn_and_the_rule_named() -> None:
    text = words(with_limits("0.80"))
    assert "limit 0.80" in text
    assert "the limit 0.80 of rule parity-by-race" in text
    assert "Dashed red line" not in words(made.example())


def test_rules_that_set_different_limits_draw_none() -> None:
    assert len(with_limits("0.80", "0.80").limits_on("demographic_parity_ratio")) == 2
    assert with_limits("0.80", "0.90").limits_on("demographic_parity_ratio") == ()


def test_a_refusal_by_one_rule_says_what_was_found() -> None:
    verdict = with_limits("0.80", decision="refused", outcome="failed").verdict
    assert "Not met: parity-by-race (failed). Parity by race is 0.953." in verdict.sentence


def test_the_accuracy_stands_beside_the_base_rate() -> None:
    assert "A rule that answers “1” for every row would have an accuracy of 0.878" in words(made.example())


def test_a_part_that_changed_on_the_way_stands_on_two_lines() -> None:
    changed: Json = {**made.table("split.train", 1392, 12), "fingerprint": "other:" + "0" * 64}
    steps = made.steps()
    steps[2] = made.step("model", ["split"], [changed], [])
    run = made.example(run=made.run_entry(steps=steps)).run
    assert [item.made_by for item in passed_on(run) if item.part.name == "split.train"] == [("split",), ()]


def test_every_note_on_a_disparity_is_told_once_with_its_measures() -> None:
    evaluation: Any = made.evaluation()
    for figure in evaluation["bias"][0]["disparities"]:
        figure["note"] = "left out: hispanic"
    told = made.example(run=made.run_entry(evaluation=evaluation)).run.evaluation
    assert told is not None
    ((measures, note),) = notes_of(told.bias[0])
    assert measures.startswith("Selection rate difference, Selection rate ratio and")
    assert note == "left out: hispanic"


def test_every_entry_has_its_line_in_the_evidence_index() -> None:
    assert [(item.ref, item.entry.seq) for item in made.example().evidence] == [
        ("E1", 6), ("E2", 7), ("E3", 8), ("E4", 9), ("E5", 10), ("E6", 11),
    ]  # fmt: skip


def test_every_figure_can_be_found_again_at_its_pointer() -> None:
    dossier = made.example()
    assert dossier.run.evaluation is not None
    attributes = dossier.run.evaluation.bias
    figures = [*dossier.run.evaluation.metrics, *(figure for one in attributes for figure in one.disparities)]
    figures += [figure for one in attributes for group in one.groups for figure in group.metrics]
    for figure in figures:
        place: Any = dossier.entry.predicate
        for part in figure.pointer.split("/")[1:]:
            place = place[int(part)] if isinstance(place, list) else place[part]
        assert (place["name"], place["value"]) == (figure.name, figure.value)


def test_a_dossier_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        made.example().version = 2  # type: ignore[misc]


def test_the_first_page_shows_performance_and_the_widest_disparity() -> None:
    cards = made.example().cards
    assert [card.figure.value for card in cards] == ["0.803210", "0.871204", "0.653300", "0.211300"]
    assert [card.label for card in cards[2:]] == [
        "Lowest selection rate ratio",
        "Largest equalized odds difference",
    ]


def test_the_widest_disparity_is_that_of_those_known_where_others_have_no_value() -> None:
    evaluation: Any = made.evaluation()
    ratio = evaluation["bias"][2]["disparities"][1]
    ratio |= {"value": None, "low": None, "high": None, "note": "not known"}
    cards = made.example(run=made.run_entry(evaluation=evaluation)).cards
    assert [(card.label, card.about) for card in cards[2:]] == [
        ("Lowest known selection rate ratio", "race"),
        ("Largest equalized odds difference", "race"),
    ]


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"evaluation": None}, "Evaluation"),
        ({"model_file": None}, "Model"),
        ({"code": {}}, "Code commit"),
        ({"sources": []}, "Source files"),
        ({"evaluation": {**made.evaluation(), "bias": []}}, "Fairness"),
    ],
)
def test_what_the_evidence_lacks_is_listed(changes: dict[str, Any], gap: str) -> None:
    assert gap in [item.what for item in undecided(run=made.run_entry(**changes)).gaps]


def test_text_that_a_person_must_write_is_always_asked_for() -> None:
    assert {"Intended use", "Limitations"} <= {item.what for item in made.example().gaps}


def test_the_report_names_every_fingerprint_in_full() -> None:
    text = render(made.example(), "model-card").replace("<wbr>", "")
    for step in made.steps():
        assert isinstance(step, dict)
        for part in [*step["inputs"], *step["outputs"]]:  # type: ignore[misc]
            assert str(part["fingerprint"]).rpartition(":")[2] in text


def test_a_group_that_is_too_small_shows_no_figure() -> None:
    assert re.search(r"black, no\s*</th><td class=\"number\">24</td><td class=\"number\">\s*<span class=\"muted\">not"
                     r" enough data", render(made.example(), "model-card"))  # fmt: skip


def test_missing_protected_values_are_a_stated_count() -> None:
    assert "Rows with a missing value: 3." in words(made.example())


def test_no_reproduction_is_said() -> None:
    assert "No reproduction has been recorded." in words(made.example(reproductions=[]))


def test_an_evaluation_that_did_not_finish_is_said() -> None:
    steps = made.steps()
    steps[3] = {**steps[3], "status": "failed"}  # type: ignore[dict-item]
    run = made.run_entry(
        status="failed", failure={"step": "evaluation", "error": "KeyError"}, evaluation=None, steps=steps
    )
    assert "Evaluation not finished." in words(undecided(run=run))


def test_an_approval_by_the_key_that_recorded_the_run_is_marked() -> None:
    time = "2026-11-23T08:41:12.000000Z"
    own = made.entry(8, "approval", "recorder", time, made.approval_predicate("approver", "Fine.", time))
    assert "not independent" in words(made.example(approvals=[own]))
    assert "not independent" not in words(made.example())


@pytest.mark.parametrize("template", template_names())
def test_a_run_that_recorded_almost_nothing_can_be_reported(template: str) -> None:
    bare = made.run_entry(evaluation=None, model_file=None, sources=[], steps=[], code={}, environment={})
    assert "Not decided" in words(undecided(run=bare), template)


def test_the_predicate_may_be_empty_altogether() -> None:
    nothing = made.entry(6, "run", "recorder", "2026-11-23T08:00:00Z", {})
    assert "Unfinished run" in words(undecided(run=nothing))


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "{{ 7 * 7 }}", "{% raw %}", "</style><b>", '"><img src=x>']
)
def test_hostile_text_is_printed_and_not_obeyed(hostile: str) -> None:
    steps = made.steps()
    steps[0] = {**steps[0], "parameters": {"source": hostile}}  # type: ignore[dict-item]
    run = made.run_entry(
        steps=steps, sources=[{"step": "applications", "uri": hostile, "sha256": None, "bytes": None}]
    )
    html = render(made.example(model=hostile, origin=hostile, run=run), "model-card")
    plain = render(made.example(), "model-card")
    for mark in ("<script", "<img", "<b>", "<style"):
        assert html.count(mark) == plain.count(mark)
    assert "49" not in html.partition("<h1")[2].partition("</h1>")[0]


def test_an_unknown_template_is_refused_and_the_known_ones_named() -> None:
    with pytest.raises(NotFound, match="decision, model-card"):
        render(made.example(), "annex-iv")


def test_a_template_name_cannot_lead_out_of_the_folder() -> None:
    with pytest.raises(NotFound):
        render(made.example(), "../templates/_base")


def test_headings_skip_no_level() -> None:
    levels = [int(level) for level in re.findall(r"<h([1-6])", render(made.example(), "model-card"))]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_row_of_a_table_has_the_same_number_of_cells() -> None:
    for table in re.findall(r"<table.*?</table>", render(made.example(), "model-card"), flags=re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table, flags=re.DOTALL)
        assert len({len(re.findall(r"<t[hd][ >]", row)) for row in rows}) == 1


def test_the_order_in_which_entries_arrive_does_not_matter() -> None:
    turned = made.example(approvals=made.approval_entries()[::-1], decisions=made.decision_entries()[::-1])
    assert render(turned, "model-card") == render(made.example(), "model-card")


def test_the_html_is_the_same_in_another_process() -> None:
    code = (
        "import hashlib; from reports.html import render; from tests.report_example import example;"
        "print(hashlib.sha256(render(example(), 'model-card').encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": "."},
            capture_output=True,
            check=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0.871204", "0.871"),
        ("0.8705", "0.870"),
        ("0.00042", "0.00042"),
        ("1e-07", "0.00000010"),
        ("-0.0661", "\N{MINUS SIGN}0.066"),
        ("-0.0", "0.000"),
        ("12345.5", "12,345.500"),
        (None, "not enough data"),
        ("about half", "about half"),
    ],
)
def test_a_figure_is_rounded_for_print_only(text: str | None, written: str) -> None:
    assert formats.figure(text) == written


def test_an_interval_with_a_negative_end_is_written_in_words() -> None:
    assert formats.interval("-0.02", "0.0451") == "\N{MINUS SIGN}0.020 to 0.045"
    assert formats.interval("0.84512", "0.896") == "0.845\N{EN DASH}0.896"


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01T00:00:00Z", "2026-11-23T08:00:00+01:00"])
def test_a_time_that_is_not_one_is_written_as_it_stands(text: str) -> None:
    assert formats.instant(text) == text


def test_a_time_is_written_as_the_ledger_has_it() -> None:
    assert formats.instant("2026-11-23T08:00:00.123456Z").split() == [
        "23",
        "November",
        "2026,",
        "08:00:00",
        "UTC",
    ]


def test_a_float_among_parameters_is_written_as_its_decimal() -> None:
    assert formats.value({"decimal": "1.0"}) == "1.0"
    assert formats.value({"a": [True, None, {"decimal": "0.5"}]}) == "{a: [true, none, 0.5]}"


@pytest.mark.parametrize(
    ("text", "written"),
    [("2.9141", "2.914 s"), ("0.0009", "< 0.001 s"), ("0", "0.000 s"), (None, "not recorded")],
)
def test_a_duration_never_reads_as_none_at_all(text: str | None, written: str) -> None:
    assert formats.seconds(text).replace("\N{NO-BREAK SPACE}", " ") == written


DOUBT = "it was signed with a key whose grant (entry 5) is in doubt"


def in_doubt(*entries: EntryFacts) -> list[EntryFacts]:
    """Put entries in doubt."""
    return [replace(one, doubts=(DOUBT,)) for one in entries]


def test_an_approval_in_doubt_is_not_counted_and_says_why() -> None:
    validator, approver = made.approval_entries()
    rejection = made.entry(
        12, "approval", "validator", approver.time, {**validator.predicate, "verdict": "reject"}
    )
    dossier = undecided(approvals=[validator, *in_doubt(approver, rejection)])
    assert dossier.opinions == (
        f"1 approved and 0 rejected; 1 approval in doubt: entry #9, {DOUBT}; 1 rejection in doubt: entry #12, {DOUBT}"
    )
    assert dossier.opinions in dossier.verdict.sentence


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        ("approve", "2 approved and 0 rejected (1 more by a key that spoke again since)"),
        ("reject", "1 approved and 1 rejected (1 more by a key that spoke again since)"),
    ],
)
def test_a_person_who_signs_twice_is_counted_once_by_what_was_said_last(verdict: str, told: str) -> None:
    validator, approver = made.approval_entries()
    again = made.entry(
        12, "approval", "validator", approver.time, {**validator.predicate, "verdict": verdict}
    )
    assert undecided(approvals=[validator, approver, again]).opinions == told


@pytest.mark.parametrize("template", template_names())
def test_no_report_shows_an_approval_in_doubt_as_approved(template: str) -> None:
    approvals = in_doubt(*made.approval_entries())
    told = words(undecided(approvals=approvals), template)
    assert "Approved for production" not in told
    assert told.count("In doubt said: approved for production") == 2
    assert "Approvals Each approval and rejection is in doubt." in told
    assert "Approved for production" in words(undecided(approvals=made.approval_entries()), template)


@pytest.mark.parametrize("template", template_names())
def test_a_run_in_doubt_says_so_on_the_first_page_and_wherever_it_is_evidence(template: str) -> None:
    dossier = undecided(run=in_doubt(made.run_entry())[0])
    assert (dossier.verdict.words, dossier.verdict.tone) == ("Run in doubt", "bad")
    assert DOUBT in dossier.verdict.sentence
    told = words(dossier, template)
    assert "entry #6, succeeded (in doubt)" in told
    assert "Run, succeeded, in doubt" in told
    assert "ledger entry #6 ." not in told
    assert "ledger entry #6." not in told


@pytest.mark.parametrize("template", template_names())
def test_a_reproduction_in_doubt_is_not_shown_as_identical(template: str) -> None:
    told = words(made.example(reproductions=in_doubt(made.reproduction_entry())), template)
    assert "In doubt said: identical" in told
    assert f"In doubt: {DOUBT}." in told
    assert "Each reproduction of this run is in doubt." in told


@pytest.mark.parametrize("template", template_names())
def test_a_stage_that_a_decision_in_doubt_gave_is_not_simply_held(template: str) -> None:
    refused, promoted = made.decision_entries()
    dossier = made.example(decisions=[refused, *in_doubt(promoted)])
    assert dossier.verdict.words == "Decision in doubt"
    told = words(dossier, template)
    assert "holds production (by a decision in doubt)" in told
    assert "In doubt said: promoted stage production" in told
    assert "In doubt, it said: Of 7 rules, 4 passed and 3 waived." in told
    assert told.count("In doubt said: passed") == 4
    later = replace(refused, seq=20)
    held = made.example(decisions=[*in_doubt(promoted), later]).verdict.sentence
    assert "still holds production (by a decision in doubt)" in held


def test_a_decision_names_the_approvals_in_doubt_that_it_considered() -> None:
    validator, approver = made.approval_entries()
    told = words(made.example(approvals=[validator, *in_doubt(approver)]))
    assert "considered entry #8, entry #9 (in doubt)" in told


def test_the_drawing_of_the_lineage_says_what_is_in_doubt() -> None:
    [run] = in_doubt(made.run_entry())
    dossier = made.example(run=run, approvals=in_doubt(*made.approval_entries()))
    assert "approval in doubt: approver: approved" in render(dossier, "model-card")
    assert "In doubt is every box of entry #6." in words(dossier)


def test_a_key_that_signed_what_is_in_doubt_is_marked() -> None:
    told = words(made.example(approvals=in_doubt(*made.approval_entries())))
    assert f"{made.PEOPLE['validator']} (signed entries in doubt)" in told
    assert f"{made.PEOPLE['recorder']} (signed entries in doubt)" not in told


@pytest.mark.parametrize("template", template_names())
def test_policies_that_nobody_knows_who_adopted_are_told_beside_the_approvals_for_them(template: str) -> None:
    doubt = f"the policies of the stage production were adopted in entry 3, {DOUBT}"
    told = words(undecided(approvals=made.approval_entries(), adoptions_in_doubt=(doubt,)), template)
    assert told.count("Policies in doubt. The policies of the stage production were adopted in entry 3") == 2
    assert "is in doubt. No gate promotes by them" in told
