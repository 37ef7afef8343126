"""Random expressions in DuckDB's SQL: what they name, and how they are written.

Names are mostly of what is in scope where the expression stands; a name that two tables have is rarely written alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

__all__ = ["ALIASES", "DEEPEST", "Columns", "Expressions", "Names", "Sources"]

ALIASES = ("race", "income", "id", "x", "g", "z", "t", "u", "y")
DEEPEST = 2

Columns = list[tuple[str, str]]
"""Names of columns, each with what kind of value it holds: `i` whole numbers, `l` lists of them, `s` structs."""


Sources = list[tuple[str, Columns]]
"""Names of tables, each with its columns."""


@dataclass(slots=True)
class Names:
    """What an expression may name: columns of tables, aliases of the same SELECT, named windows, and what is around."""

    sources: Sources = field(default_factory=list)
    around: "Names | None" = None
    aliases: Columns = field(default_factory=list)
    windows: list[str] = field(default_factory=list)
    lambdas: list[str] = field(default_factory=list)


class Expressions:
    """Writes expressions; who makes queries says what a subquery and its FROM are."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def query(self, depth: int, around: Names | None, width: int | None = None) -> tuple[str, Columns]:
        """Make a query; `around` is what a subquery may name of the queries around it."""
        raise NotImplementedError

    def tables(self, depth: int, around: Names | None) -> tuple[str, Sources]:
        """Make what stands after FROM."""
        raise NotImplementedError

    def chance(self, of_hundred: int) -> bool:
        return self.random.randrange(100) < of_hundred

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def written(self, name: str) -> str:
        """Write a name as SQL allows: in any case, quoted or not."""
        name = self.random.choice((name, name, name, name.upper(), name.capitalize()))
        return f'"{name}"' if self.chance(15) else name

    def value(self, kind: str, names: Names, depth: int) -> str:
        if kind == "i":
            return self.number(names, depth)
        if kind == "l":
            return self.listing(names, depth)
        own = self.column(names, "s")
        return own if own != "1" else f"{{'race': {self.number(names, depth + 1)}, 'x': 1}}"

    def column(self, names: Names, kind: str) -> str:
        """Name a column of that kind; rarely one of the queries around."""
        where = names
        while where.around is not None and self.chance(25):
            where = where.around
        found = [(alias, name) for alias, columns in where.sources for name, each in columns if each == kind]
        fields = [(alias, name) for alias, columns in where.sources for name, each in columns if each == "s"]
        if kind == "i" and fields and self.chance(12):
            alias, name = self.random.choice(fields)
            return (
                f"{self.written(alias)}.{self.written(name)}.{self.one('race', 'x')}"
                if self.chance(50)
                else f"{name}.race"
            )
        if kind == "i" and where.aliases and self.chance(15):
            return self.written(self.random.choice(where.aliases)[0])
        if not found:
            return "1"
        alias, name = self.random.choice(found)
        namesakes = sum(name.lower() == each.lower() for _, columns in where.sources for each, _ in columns)
        bare = self.chance(50 if namesakes == 1 else 8)
        return self.written(name) if bare else f"{self.written(alias)}.{self.written(name)}"

    def number(self, names: Names, depth: int) -> str:
        if depth >= DEEPEST or self.chance(60):
            return self.one("1", "2") if self.chance(6) else self.column(names, "i")
        makers: Sequence[Callable[[Names, int], str]] = (
            self._sum, self._case, self._function, self._scalar, self._of_list, self._of_struct, self._if,
        )  # fmt: skip
        return self.random.choice(makers)(names, depth + 1)

    def plain(self, names: Names) -> str:
        """Name a column, or add to one."""
        return self.column(names, "i") + self.one("", "", "", " + 1")

    def _sum(self, names: Names, depth: int) -> str:
        return f"({self.number(names, depth)} {self.one('+', '-', '*')} {self.number(names, depth)})"

    def _case(self, names: Names, depth: int) -> str:
        if self.chance(40):
            value, end = self.number(names, depth), f"ELSE {self.number(names, depth)} END"
            return f"CASE {self.column(names, 'i')} WHEN 1 THEN {value} {end}"
        otherwise = f" ELSE {self.number(names, depth)}" if self.chance(60) else ""
        return f"CASE WHEN {self.condition(names, depth)} THEN {self.number(names, depth)}{otherwise} END"

    def _if(self, names: Names, depth: int) -> str:
        return f"if({self.condition(names, depth)}, {self.number(names, depth)}, 0)"

    def _function(self, names: Names, depth: int) -> str:
        one, two = self.number(names, depth), self.number(names, depth)
        return self.one(f"coalesce({one}, {two})", f"nullif({one}, {two})", f"greatest({one}, {two})", f"abs({one})",
                        f"({one})::VARCHAR::BIGINT", f"{one}.least({two})")  # fmt: skip

    def _scalar(self, names: Names, depth: int) -> str:
        text, columns = self.query(depth, names, width=1)
        if self.chance(60):
            text_from, sources = self.tables(depth, names)
            inner = Names(sources, names)
            where = f" WHERE {self.condition(inner, depth)}" if self.chance(60) else ""
            return f"(SELECT {self.aggregate(inner, depth)} FROM {text_from}{where})"
        return f"(SELECT max({columns[0][0]}) FROM ({text}) AS s1)"

    def _of_list(self, names: Names, depth: int) -> str:
        found = self.listing(names, depth)
        return self.one(f"len({found})", f"list_sum({found})", f"({found})[1]", f"list_max({found})")

    def _of_struct(self, names: Names, depth: int) -> str:
        one = self.number(names, depth)
        return self.one(f"{{'a': {one}, 'b': {self.number(names, depth)}}}.a", f"struct_pack(a := {one}).a",
                        f"MAP {{'k': {one}}}['k']", f"struct_extract({{'a': {one}}}, 'a')")  # fmt: skip

    def listing(self, names: Names, depth: int) -> str:
        own = self.column(names, "l")
        base = (
            own
            if own != "1" and self.chance(60)
            else f"[{self.number(names, depth + 1)}, {self.column(names, 'i')}]"
        )
        inner = Names(names.sources, names.around)
        choice = self.random.randrange(5)
        if choice == 0:
            return f"list_transform({base}, lambda v: v + {self.column(inner, 'i')})"
        if choice == 1:
            return f"[v + {self.column(inner, 'i')} FOR v IN {base} IF v > {self.column(inner, 'i')}]"
        if choice == 2:
            return f"list_filter({base}, lambda race: race > {self.column(inner, 'i')})"
        return base

    def aggregate(self, names: Names, depth: int) -> str:
        inner = Names(names.sources, names.around)
        one = self.number(inner, DEEPEST)
        other = self.column(inner, "i")
        text = self.one(
            f"sum({one})", f"max({one})", f"min({one})", "count(*)", f"count({one})", f"count(DISTINCT {one})",
            f"arg_max({one}, {other})", f"first({one})", f"first({one} ORDER BY {other})",
            f"list_sum(list({one} ORDER BY {other})[:2])",
        )  # fmt: skip
        if self.chance(15) and not text.startswith("list_sum"):
            text += f" FILTER ({self.one('WHERE ', '')}{self.condition(inner, DEEPEST)})"
        return text

    def window(self, names: Names, depth: int) -> str:
        inner = Names(names.sources, names.around, windows=names.windows)
        one = self.number(inner, DEEPEST)
        other = self.column(inner, "i")
        text = self.one(
            f"sum({one})", f"max({one})", "count(*)", "row_number()", "rank()", "ntile(3)", f"lag({one})",
            f"first_value({one})", f"lead({one}, 1, {other})", f"sum({one}) FILTER (WHERE {other} > 1)",
            f"lag({one} ORDER BY {other})",
        )  # fmt: skip
        if names.windows and self.chance(60):
            return f"{text} OVER {self.random.choice(names.windows)}"
        return f"{text} OVER ({self._frame(inner, depth)})"

    def _frame(self, names: Names, depth: int) -> str:
        parts = []
        if self.chance(50):
            parts.append(f"PARTITION BY {self.plain(names)}")
        if self.chance(65):
            parts.append(f"ORDER BY {self.plain(names)}{self.one('', ' DESC')}")
            if self.chance(30):
                wide = f"abs(coalesce({self.column(names, 'i')}, 0))"
                parts.append(
                    self.one(
                        "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW",
                        "ROWS UNBOUNDED PRECEDING",
                        f"ROWS BETWEEN {wide} PRECEDING AND CURRENT ROW",
                    )
                )
        return " ".join(parts)

    def condition(self, names: Names, depth: int) -> str:
        one = self.number(names, min(depth + 1, DEEPEST))
        choice = self.random.randrange(11 if depth < DEEPEST else 6)
        if choice == 0:
            return f"{one} IS NOT NULL"
        if choice == 1:
            return f"{one} BETWEEN 1 AND {self.column(names, 'i')}"
        if choice == 2:
            return f"{one} > $least"
        if choice <= 5:
            return f"{one} {self.one('=', '<>', '<', '>=')} {self.one('1', '2', self.column(names, 'i'))}"
        if choice == 6:
            return f"({self.condition(names, depth + 1)} {self.one('AND', 'OR')} {self.condition(names, depth + 1)})"
        if choice == 7:
            return f"NOT ({self.condition(names, depth + 1)})"
        text, _ = self.query(depth + 1, names, width=1)
        if choice == 8:
            return f"{self.one('', 'NOT ')}EXISTS ({text})"
        if choice == 9:
            return f"{one} {self.one('', 'NOT ')}IN ({text})"
        return f"{one} {self.one('=', '<', '>=')} {self.one('ANY', 'ALL')} ({text})"
