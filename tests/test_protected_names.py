"""Names are one as people read them: whatever their case, spaces, signs and look-alike letters."""

import pytest

from registry.protected_names import ALIKE, folded, is_protected, is_same_name


@pytest.mark.parametrize(
    "name",
    [
        "race", "Race", "RACE ",
        " race", "r-a-c-e", "\uff52\uff41\uff43\uff45", "ra\u200bce", "r\u0430ce", "RA\u0421E", "r\u0430\u0441\u0435",
        "\u24e1ace", "race\u00a0", "r\u03b1ce", "ra\u00adce",
    ],
)  # fmt: skip
def test_names_that_look_alike_are_one(name: str) -> None:
    assert is_same_name(name, "race")
    assert is_protected(f"onehot__{name}_black", ["race"])


@pytest.mark.parametrize("name", ["racetrack", "terrace", "rice", "", "grace", "ras"])
def test_other_names_are_others(name: str) -> None:
    assert not is_same_name(name, "race")
    assert not is_protected(name, ["race"])


@pytest.mark.parametrize(
    ("name", "protected"),
    [
        ("diagnosis1", True),
        ("Diagnosis 12", True),
        ("diagnosis2_code", True),
        ("v1_coded", True),
        ("v10", False),
        ("diagnosisx1", False),
    ],
)
def test_a_number_after_a_name_is_a_sign_unless_the_name_ends_in_one(name: str, protected: bool) -> None:
    assert is_protected(name, ["diagnosis", "v1"]) is protected


def test_names_in_other_scripts_are_themselves() -> None:
    assert is_same_name("\u0420\u0430\u0441\u0430", "\u0440\u0430\u0441\u0430")
    assert not is_same_name("\u0440\u0430\u0441\u0430", "\u043f\u043e\u043b")
    assert is_protected("\u0440\u0430\u0441\u0430_1", ["\u0420\u0410\u0421\u0410"])


def test_each_letter_looks_like_one() -> None:
    assert all(folded(chr(letter)) == chr(alike) for letter, alike in ALIKE.items() for alike in [int(alike)])
