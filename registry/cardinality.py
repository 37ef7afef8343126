"""How many different values there are, by HyperLogLog: where there are too many to keep, an estimate in 16 KiB.

Rules:

- 64-bit hashes, 2^14 registers: the standard error is 1.04 / sqrt(2^14) = 0.81%, so that about 95 in 100 estimates
  lie within 1.6% of the truth. P. Flajolet, E. Fusy, O. Gandouet, F. Meunier: "HyperLogLog: the analysis of a
  near-optimal cardinality estimation algorithm" (2007).
- The estimator is the improved one of O. Ertl: "New cardinality estimation algorithms for HyperLogLog sketches"
  (2017, algorithm 6), which is unbiased over the whole range and needs no tables.
- The hash depends on the value alone: numbers by their 64 bits through the finaliser of SplitMix64 (Steele, Lea,
  Flood 2014), text by its length and its bytes, eight at a time, each time through the same finaliser. Whatever the
  order and the pieces, the same values give the same estimate. It is no cryptographic hash: who chooses the values can
  mislead it.

>>> seen = HyperLogLog()
>>> seen.add(hashed_numbers(np.arange(1_000_000)))
>>> 970_000 < seen.estimate() < 1_030_000
True
"""

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["RELATIVE_ERROR", "HyperLogLog", "hashed_numbers", "hashed_texts", "mixed"]

Hashes = NDArray[np.uint64]

INDEX_BITS = 14
REGISTERS = 1 << INDEX_BITS
LONGEST = 64 - INDEX_BITS
"""The bits of a hash in which the first 1 is looked for."""
REST = np.uint64((1 << LONGEST) - 1)

RELATIVE_ERROR = "0.0081"
"""The standard error of an estimate, relative to the truth."""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

WORD = 8
BLOCK = 8_192
"""Values that are hashed at a time: what that takes stays in the cache."""


class HyperLogLog:
    """Counts different hashes; adding one again changes nothing."""

    __slots__ = ("_registers",)

    def __init__(self) -> None:
        self._registers = np.zeros(REGISTERS, np.uint8)

    def add(self, hashes: Hashes) -> None:
        """Take more hashes."""
        rest = hashes & REST
        # A register that all have reached cannot be raised by a hash whose first 1 stands no further back.
        new = rest < np.uint64(1 << (LONGEST - min(int(self._registers.min()), LONGEST)))
        hashes, rest = hashes[new], rest[new]
        places = (hashes >> np.uint64(LONGEST)).astype(np.int64)
        # Fifty bits are exact in a float64, whose exponent then tells the place of the first 1; of zero it is 0.
        _, lengths = np.frexp(rest.astype(np.float64))
        np.maximum.at(self._registers, places, (LONGEST + 1 - lengths).astype(np.uint8))

    def add_numbers(self, values: NDArray[Any]) -> None:
        """Take numbers of eight bytes."""
        for start in range(0, len(values), BLOCK):
            self.add(hashed_numbers(values[start : start + BLOCK]))

    def add_texts(self, texts: pa.Array) -> None:
        """Take a `large_string` or `large_binary` array without missing values."""
        for start in range(0, len(texts), BLOCK):
            self.add(hashed_texts(texts.slice(start, BLOCK)))

    def estimate(self) -> int:
        """Estimate the number of different hashes."""
        counts = np.bincount(self._registers, minlength=LONGEST + 2).tolist()
        z = REGISTERS * _tau(1 - counts[LONGEST + 1] / REGISTERS)
        for count in reversed(counts[1 : LONGEST + 1]):
            z = 0.5 * (z + count)
        z += REGISTERS * _sigma(counts[0] / REGISTERS)
        return round(REGISTERS * REGISTERS / (2 * math.log(2) * z)) if math.isfinite(z) else 0


def hashed_numbers(values: NDArray[Any]) -> Hashes:
    """Hash numbers of eight bytes; floats by their bits, so -0.0 and NaN must be settled before."""
    return mixed(np.ascontiguousarray(values).view(np.uint64))


def hashed_texts(texts: pa.Array, seed: np.uint64 = np.uint64(0)) -> Hashes:  # noqa: B008 - a number
    """Hash a `large_string` or `large_binary` array without missing values."""
    if len(texts) == 0:
        return np.zeros(0, np.uint64)
    offsets = np.frombuffer(texts.buffers()[1], "<i8", len(texts) + 1, texts.offset * 8)
    starts, lengths = offsets[:-1] - offsets[0], np.diff(offsets)
    words = _words(texts.buffers()[2], int(offsets[0]), int(offsets[-1]))
    hashes, shortest = mixed(lengths.view(np.uint64) ^ seed), int(lengths.min())
    for done in range(0, int(lengths.max()), WORD):
        rows = slice(None) if done < shortest else np.flatnonzero(lengths > done)
        left = np.minimum(lengths[rows] - done, WORD)
        # What stands behind the end of a text is the next one: it is shifted out.
        word = words[starts[rows] + done] << (8 * (WORD - left)).view(np.uint64)
        hashes[rows] = mixed(hashes[rows] ^ word)
    return hashes


def _words(buffer: pa.Buffer | None, first: int, last: int) -> Hashes:
    """Look at the eight bytes from each byte on, as little-endian numbers."""
    data = np.zeros(last - first + WORD, np.uint8)
    if buffer is not None:
        data[: last - first] = np.frombuffer(buffer, np.uint8)[first:last]
    return np.ndarray((last - first + 1,), "<u8", data.data, strides=(1,))


def mixed(values: Hashes) -> Hashes:
    """Mix the bits of each value: the finaliser of SplitMix64."""
    found = values + GOLDEN
    shifted = found >> np.uint64(30)
    for factor, shift in ((0xBF58476D1CE4E5B9, 27), (0x94D049BB133111EB, 31)):
        np.bitwise_xor(found, shifted, out=found)
        np.multiply(found, np.uint64(factor), out=found)
        np.right_shift(found, np.uint64(shift), out=shifted)
    np.bitwise_xor(found, shifted, out=found)
    return found


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3
