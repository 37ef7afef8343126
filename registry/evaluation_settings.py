"""How an evaluation is done: replicates, confidence, seed, and how many rows are enough; checked before anything runs.

It loads no pandas, so that a pipeline can refuse a wrong option where it is declared, not after an hour of training.

>>> Settings(minimum=50).minimum
50
"""

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from audit.errors import MalformedInput
from registry.disclosure import SMALL_CELL
from registry.sentences import did_you_mean

__all__ = ["USUAL", "Settings", "check_options"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What intervals are computed with, and what counts as enough data (`minimum`, in rows).

    At most `most_groups` groups of an attribute are listed. No figure is about fewer than `small_cell` rows; 1 lets
    every group be told by itself. Raises `MalformedInput` where a value cannot be used.
    """

    replicates: int = 2000
    confidence: float = 0.95
    seed: int = 0
    minimum: int = 30
    most_groups: int = 40
    small_cell: int = SMALL_CELL

    def __post_init__(self) -> None:
        """Refuse values that no evaluation can be done with."""
        for name, least in (
            ("replicates", 100),
            ("seed", 0),
            ("minimum", 1),
            ("most_groups", 1),
            ("small_cell", 1),
        ):
            # NumPy's whole numbers become Python's, which can be recorded.
            object.__setattr__(self, name, _whole(name, getattr(self, name), least))
        confidence: object = self.confidence
        if not isinstance(confidence, float) or not math.isfinite(confidence) or not 0 < confidence < 1:
            raise MalformedInput(f"confidence is a share between 0 and 1, such as 0.95, not {confidence!r}")


def check_options(options: Mapping[str, object]) -> None:
    """Refuse what is no option of an evaluation, or no value for one, with `MalformedInput`."""
    # How many groups a statement lists is not for who evaluates to say.
    known = ("positive", *(field.name for field in fields(Settings) if field.name != "most_groups"))
    for name in options:
        if name not in known:
            raise MalformedInput(f"evaluate has no option {name}{did_you_mean(name, known)}")
    Settings(**cast(dict[str, Any], {name: value for name, value in options.items() if name != "positive"}))


def _whole(name: str, value: Any, least: int) -> int:
    if not hasattr(value, "__index__") or isinstance(value, bool) or value < least:
        raise MalformedInput(f"{name} is a whole number from {least}, not {value!r}")
    return operator.index(value)


USUAL = Settings()
"""What holds where nobody says otherwise."""
