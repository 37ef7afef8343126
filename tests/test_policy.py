"""Policies: what is read, what is refused, and where the reader is pointed."""

import contextlib
import hashlib
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import EnvironmentFailed, MalformedInput, NotFound
from registry.policy import Policy, load, packaged, packaged_names, parse
from registry.policy_file import MOST_BYTES
from registry.rules import ApprovalRule, FactRule, LimitRule, ReproductionRule

TEXT = """\
name: sample
version: 3
title: "A sample"
rules:
  - id: parity
    says: "Groups are treated alike."
    clauses: ["NIST-AI-RMF:MEASURE-2.11"]
    kind: limit
    metric: demographic_parity_ratio
    of: race
    operator: ">="
    limit: 0.80
    on: interval
  - {id: clean, says: "Committed.", clauses: [], kind: fact, fact: code-clean}
  - {id: checked, says: "Checked.", clauses: [], kind: approval, role: validator, count: 2}
  - {id: rerun, says: "Rerun.", clauses: [], kind: reproduction, verdicts: [identical]}
"""


def read(text: str) -> Policy:
    return parse(text.encode(), "sample.yaml")


def complaint(text: str | bytes) -> str:
    with pytest.raises(MalformedInput) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), "sample.yaml")
    return str(caught.value)


def test_a_policy_is_read_into_its_rules() -> None:
    policy = read(TEXT)
    assert (policy.name, policy.version, policy.title) == ("sample", 3, "A sample")
    assert [type(rule) for rule in policy.rules] == [LimitRule, FactRule, ApprovalRule, ReproductionRule]


def test_the_digest_is_that_of_the_bytes_as_received() -> None:
    text = TEXT.replace("\n", "\r\n").encode()
    assert parse(text, "sample.yaml").sha256 == hashlib.sha256(text).hexdigest()
    assert parse(text, "sample.yaml").text == text


def test_a_comment_changes_the_digest() -> None:
    assert read(TEXT).sha256 != read("# a word\n" + TEXT).sha256


@pytest.mark.parametrize("written", ["0.80", "0.1", "0.30000000000000004", "1", "-2.5", "200"])
def test_a_limit_is_exactly_the_decimal_that_was_written(written: str) -> None:
    rule = read(TEXT.replace("0.80", written)).rules[0]
    assert isinstance(rule, LimitRule)
    assert str(rule.limit) == str(Decimal(written))


def test_a_limit_without_an_attribute_is_about_all_rows() -> None:
    text = TEXT.replace("    of: race\n", "").replace("demographic_parity_ratio", "accuracy")
    rule = read(text).rules[0]
    assert isinstance(rule, LimitRule)
    assert (rule.of, rule.group, rule.small_groups) == (None, None, None)


TYPOS = [
    ('operator: ">="', 'operater: ">="', "sample.yaml:11:5: unknown field 'operater': did you mean operator?"),
    ('operator: ">="', 'operater: ">="', "sample.yaml:5:5: the field 'operator' is missing"),
    ('">="', '"=>"', "sample.yaml:11:15: '=>' is not known for 'operator': there are <, <=, ==, >, >="),
    ('">="', ">=", 'sample.yaml:11:16: not YAML: expected chomping'),
    ("0.80", "0.8O", "sample.yaml:12:12: 'limit': '0.8O' is not a number"),
    ("0.80", '"0.80"', "sample.yaml:12:12: 'limit': '0.80' is not a number"),
    ("0.80", "true", "sample.yaml:12:12: 'limit': 'True' is not a number"),
    ("0.80", "[1]", "sample.yaml:12:12: 'limit': 'this value' is not a number"),
    ("0.80", "0x1F", "sample.yaml:12:12: '0x1F' is not plain digits"),
    ("0.80", "1_000", "sample.yaml:12:12: '1_000' is not plain digits"),
    ("0.80", "1:30", "sample.yaml:12:12: '1:30' is not plain digits"),
    ("0.80", "010", "sample.yaml:12:12: '010' is not plain digits"),
    ("0.80", ".nan", "sample.yaml:12:12: '.nan' is not plain digits"),
    ("0.80", ".inf", "sample.yaml:12:12: '.inf' is not plain digits"),
    ("0.80", "1e-3", "sample.yaml:12:12: 'limit': '1e-3' is not a number"),
    ("0.80", "", "sample.yaml:12:11: no value"),
    ("of: race", "of:", "sample.yaml:10:8: no value"),
    ("of: race", "group: black", "sample.yaml:10:12: 'group' needs 'of'"),
    ("of: race", "of: 2026-01-01", "sample.yaml:10:9: '2026-01-01' would be read as a date"),
    ("    of: race\n", "", "sample.yaml:9:13: 'demographic_parity_ratio' is not a metric known here"),
    ("parity_ratio", "parity_ration", "sample.yaml:9:13: 'demographic_parity_ration' is not a disparity known"),
    ("parity_ratio", "parity_ration", "did you mean demographic_parity_ratio or"),
    ("on: interval", "on: both", "sample.yaml:13:9: 'both' is not known for 'on'"),
    ("on: interval", "on: interval\n    small_groups: ignor", "sample.yaml:14:19: 'ignor' is not known"),
    ("on: interval", "on: interval\n    confidence: 95", "sample.yaml:14:17: 'confidence' lies between 0 and 1"),
    ("on: interval", "on: point\n    confidence: 0.9", "sample.yaml:14:17: 'confidence' lies between 0 and 1"),
    ("on: interval", "on: point\n    minimum: 0", "sample.yaml:14:14: 'minimum': Input should be greater than"),
    ("kind: limit", "kind: limt", "sample.yaml:8:11: unknown kind 'limt': did you mean limit?"),
    ("    kind: limit\n", "", "sample.yaml:5:5: the rule has no 'kind'"),
    ("code-clean", "code-clen", "sample.yaml:14:68: 'code-clen' is not known for 'fact': did you mean code-clean or"),
    ("role: validator", "role: auditor", "sample.yaml:15:72: 'auditor' is not known for 'role'"),
    ("count: 2", "count: 0", "sample.yaml:15:90: 'count': Input should be greater than or equal to 1"),
    ("count: 2", "count: two", "sample.yaml:15:90: 'count' must be a whole number"),
    ("[identical]", "[diverged]", "sample.yaml:16:77: 'diverged' is not known for 'verdicts'"),
    ("[identical]", "[]", "sample.yaml:16:76: 'verdicts': needs at least one"),
    ("id: clean", "id: parity", "sample.yaml:14:10: the id 'parity' is used already, on line 5"),
    ("id: clean", "id: Not So", "sample.yaml:14:10: 'id': 'Not So' must be lower-case words"),
    ('says: "Committed."', 'says: ""', "sample.yaml:14:23: 'says': must not be empty"),
    ("Committed.", "\\e[31mred", "'says': must be one line without control characters"),
    ("Committed.", "\\uD800", "'says': must be one line without control characters"),
    ("Committed.", "\\U00110000", "sample.yaml:1:1: an escape that is no Unicode character"),
    ("Committed.", "e\u0301", "'says': must be in Unicode normal form C"),
    ("Committed.", "\x07", "a character that YAML does not allow"),
    ('["NIST-AI-RMF:MEASURE-2.11"]', "[MEASURE]", "sample.yaml:7:15: 'clauses': 'MEASURE' must be REGIME:ITEM"),
    ('["NIST-AI-RMF:MEASURE-2.11"]', "A:B", "sample.yaml:7:14: 'clauses' must be a list"),
    ("version: 3", "version: 3.0", "sample.yaml:2:10: 'version' must be a whole number"),
    ("version: 3", "version: yes", "sample.yaml:2:10: 'version' must be a whole number"),
    ("version: 3", "version: 3\nversion: 4", "sample.yaml:3:1: the field 'version' is given twice"),
    ("version: 3", "versoin: 3", "sample.yaml:2:1: unknown field 'versoin': did you mean version?"),
    ("version: 3", "version: 3\ntext: no", "sample.yaml:3:1: unknown field 'text'"),
    ("version: 3", "<<: {version: 3}", "sample.yaml:2:1: unknown field '<<'"),
    ("name: sample", "name: &a sample", "sample.yaml:1:7: anchors and aliases are not allowed"),
    ("name: sample", "name: !!str sample", "sample.yaml:1:7: the tag 'tag:yaml.org,2002:str' is not allowed"),
    ("name: sample", "name: !!python/name:os.system", "is not allowed"),
    ("name: sample", "? [name]\n: sample", "sample.yaml:1:3: a field's name must be plain text"),
    ("rules:", "rules: []\nruls:", "sample.yaml:4:8: 'rules': a policy with no rules would pass everything"),
    ("rules:", "rules: 5\nruls:", "sample.yaml:4:8: 'rules' must be a list"),
    ("rules:", "rules:\n  - 5", "sample.yaml:5:5: a rule is a mapping of fields to values"),
    ("rules:", "rules: [[]]\nruls:", "sample.yaml:4:9: a rule is a mapping of fields to values"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "said"), TYPOS)
def test_a_typo_is_told_with_its_line_and_column(right: str, wrong: str, said: str) -> None:
    assert right in TEXT
    assert said in complaint(TEXT.replace(right, wrong, 1))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "sample.yaml:1:1: the file is empty"),
        (b"# nothing\n", "sample.yaml:1:1: the file is empty"),
        (b"[]", "sample.yaml:1:1: a policy is a mapping of fields"),
        (b"one", "sample.yaml:1:1: a policy is a mapping of fields"),
        (b"name: a\ntitle: \xe9", "sample.yaml:2:8: not UTF-8 text"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "sample.yaml:1:1: starts with a byte order mark"),
        (b"[" * 60_000, "sample.yaml:1:17: nested too deeply"),
        (b"{" * 60_000, "sample.yaml:1:17: nested too deeply"),
        (b"--- a\n--- b", "sample.yaml:2:1: not YAML: but found another document"),
        (b"a: *b", "sample.yaml:1:4: anchors and aliases are not allowed"),
        (b"{", "sample.yaml:1:2: not YAML"),
        (b"a: \x00", "sample.yaml:1:4: a character that YAML does not allow"),
    ],
)
def test_what_is_not_a_policy_is_told_so(data: bytes, said: str) -> None:
    assert said in complaint(data)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = TEXT.replace('">="', '"=>"').replace("title:", "titel:").replace("count: 2", "count: 0")
    places = [part.split(": ")[0] for part in complaint(text).split("; sample") if part]
    assert [place.split(":")[-2] for place in places] == ["1", "3", "11", "15"]


def test_a_message_is_one_line_even_with_many_mistakes() -> None:
    said = complaint(TEXT + "".join(f"  - {{id: r{i}}}\n" for i in range(60)))
    assert "\n" not in said
    assert said.endswith("and 40 more")


def test_a_policy_too_long_to_be_read_by_people_is_refused() -> None:
    assert "at most" in complaint(TEXT.encode() + b"#" * MOST_BYTES)


def test_a_count_of_rows_has_no_interval() -> None:
    text = TEXT.replace("    of: race\n", "").replace("demographic_parity_ratio", "rows")
    assert "sample.yaml:12:9: 'rows' is a count and has no interval" in complaint(text)


def test_a_minimum_is_spoken_of_only_where_there_are_groups() -> None:
    text = TEXT.replace("    of: race\n", "    minimum: 30\n").replace("demographic_parity_ratio", "accuracy")
    assert "sample.yaml:10:14: 'minimum' belongs to a disparity or to a rate of a group" in complaint(text)


@pytest.mark.parametrize(
    "fields",
    [
        "metric: accuracy\n    small_groups: ignore",
        "metric: rows\n    of: race\n    group: every\n    small_groups: ignore",
        "metric: accuracy\n    of: race\n    group: black\n    small_groups: refuse",
    ],
)
def test_small_groups_are_spoken_of_only_where_there_are_several_groups(fields: str) -> None:
    text = TEXT.replace("metric: demographic_parity_ratio\n    of: race", fields).replace("interval", "point")
    assert "'small_groups' belongs to" in complaint(text)


@given(st.binary(max_size=300))
def test_nothing_but_malformed_input_escapes_from_any_bytes(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        parse(data, "any")


@given(
    st.text(
        alphabet=st.sampled_from(list("abc:-{}[]\"'\n \t&*!|>#%@`\\?,0.1\u0085\u2028\ufeff")), max_size=80
    )
)
def test_nothing_but_malformed_input_escapes_from_text_full_of_yaml(text: str) -> None:
    with pytest.raises(MalformedInput):
        parse(text.encode(), "any")


def cuts(text: str) -> st.SearchStrategy[tuple[int, int, str]]:
    return st.tuples(
        st.integers(0, len(text)),
        st.integers(0, 12),
        st.sampled_from(
            ["", " ", "\n", ":", "- ", '"', "0", "[", "}", "&a ", "*a", "!!int ", "~", "\\", "\t", "é"]
        ),
    )


@given(cuts(TEXT))
def test_nothing_but_malformed_input_escapes_from_a_policy_with_one_edit(cut: tuple[int, int, str]) -> None:
    start, length, put = cut
    edited = TEXT[:start] + put + TEXT[start + length :]
    with contextlib.suppress(MalformedInput):
        assert read(edited).rules


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["name", "version", "title", "rules"]), json_like)
def test_nothing_but_malformed_input_escapes_from_a_field_of_any_shape(field: str, value: object) -> None:
    document = yaml.safe_load(TEXT) | {field: value}
    with contextlib.suppress(MalformedInput):
        parse(yaml.safe_dump(document).encode(), "any")


@given(st.data())
def test_nothing_but_malformed_input_escapes_from_a_rule_of_any_shape(data: st.DataObject) -> None:
    document = yaml.safe_load(TEXT)
    rule = data.draw(st.sampled_from(document["rules"]))
    rule[data.draw(st.sampled_from([*rule, "small_groups", "group", "meaning"]))] = data.draw(json_like)
    with contextlib.suppress(MalformedInput):
        parse(yaml.safe_dump(document).encode(), "any")


def test_the_packaged_policies_are_named_as_their_files() -> None:
    assert packaged_names() == ("baseline", "lending", "privacy")
    assert [packaged(name).name for name in packaged_names()] == list(packaged_names())


def test_the_packaged_policies_never_claim_compliance() -> None:
    says = " ".join(rule.says.lower() for name in packaged_names() for rule in packaged(name).rules)
    assert "complian" not in says
    assert "complies" not in says


def test_the_four_fifths_limit_says_where_it_comes_from() -> None:
    rule = next(rule for rule in packaged("lending").rules if rule.id == "parity-by-race")
    assert "29 CFR 1607.4(D)" in rule.says
    assert "not a lending law" in rule.says
    assert not any(clause.startswith("US-REGB") for clause in rule.clauses)


def test_the_baseline_asks_for_a_validator_and_an_approver() -> None:
    rules = packaged("baseline").rules
    assert {rule.role for rule in rules if isinstance(rule, ApprovalRule)} == {"validator", "approver"}


def test_a_packaged_policy_is_loaded_by_its_name() -> None:
    assert load("baseline") == packaged("baseline")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="did you mean lending"):
        load("lendign")


@pytest.mark.parametrize("name", ["../registry/gate", "..", "", "/etc/passwd"])
def test_a_packaged_name_never_leaves_its_folder(name: str) -> None:
    with pytest.raises(NotFound):
        packaged(name)


def test_a_policy_is_loaded_from_a_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT, encoding="utf-8")
    assert load(file) == load(str(file)) == read(TEXT)


def test_a_mistake_in_a_file_is_told_with_its_path(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT.replace("kind: limit", "kind: limt"), encoding="utf-8")
    with pytest.raises(MalformedInput, match=r"mine\.yaml:8:11: "):
        load(file)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load(tmp_path / "none.yaml")


def test_a_folder_is_not_a_policy(tmp_path: Path) -> None:
    with pytest.raises(MalformedInput):
        load(tmp_path)


def test_a_file_that_cannot_be_read_is_a_fault_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(EnvironmentFailed, match="Permission denied"):
        load("mine.yaml")
