"""A target of the fuzzers: a parser, and the errors by which it may refuse."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audit.errors import AffidavitError, MalformedInput

__all__ = ["Target", "again"]

Refusals = tuple[type[AffidavitError], ...]
_MALFORMED: Refusals = (MalformedInput,)


@dataclass(frozen=True, slots=True)
class Target:
    """A parser, the errors by which it may refuse, and inputs to start from."""

    parse: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]
    refusals: Refusals = _MALFORMED

    def feed(self, data: bytes) -> bool:
        """Give bytes to the parser; say whether it took them. Whatever is no refusal escapes."""
        try:
            self.parse(data)
        except self.refusals:
            return False
        return True


def again(read: Callable[[bytes], object], write: Callable[[Any], bytes]) -> Callable[[bytes], None]:
    """Read, write what was read, and compare."""

    def parse(data: bytes) -> None:
        assert write(read(data)) == data

    return parse
