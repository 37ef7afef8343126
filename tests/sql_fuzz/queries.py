"""Random queries in DuckDB's SQL over small tables (`tests.sql_fuzz.tables`), as an adversary would write them.

Rules:

- Names are drawn from few, so that aliases hide columns, queries of a WITH hide tables, and inner ones hide outer ones.
- Not every query is one that DuckDB takes; about half of them are.
- A query depends on its seed alone.

>>> made_up(7) == made_up(7)
True
"""

from random import Random

from tests.sql_fuzz.expressions import ALIASES, DEEPEST, Columns, Expressions, Names, Sources
from tests.sql_fuzz.tables import NUMBER, PAIR, TABLES

__all__ = ["made_up"]

TABLE_ALIASES = ("t", "u", "a", "b", "race", "w", "q")
CTE_NAMES = ("t", "u", "c1", "c2", "w", "train")


def made_up(seed: int) -> str:
    """Make up the query of a seed."""
    return _Maker(Random(seed)).query(0, None)[0]


def _kind(data_type: object) -> str:
    return "i" if data_type == NUMBER else "s" if data_type == PAIR else "l"


class _Maker(Expressions):
    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._with: Sources = []

    def query(self, depth: int, around: Names | None, width: int | None = None) -> tuple[str, Columns]:
        """Make a query; `around` is what a subquery may name of the queries around it."""
        before = len(self._with)
        begin = self._with_clause(depth) if depth < DEEPEST and self.chance(30 if depth == 0 else 8) else ""
        if depth < DEEPEST and self.chance(14):
            body, columns, names = self._set_operation(depth, around, width)
        else:
            body, columns, names = self._select(depth, around, width)
        end = self._order(columns, names) if self.chance(45) else ""
        if self.chance(22):
            end += f" LIMIT {self._limit(depth)}"
            end += " OFFSET 1" if self.chance(20) else ""
        del self._with[before:]
        return begin + body + end, columns

    def _with_clause(self, depth: int) -> str:
        parts = []
        for _ in range(self.random.randrange(1, 3)):
            name = self.random.choice(CTE_NAMES)
            text, columns = self.query(depth + 1, None)
            renamed = ""
            if self.chance(20):
                columns = [(self.random.choice(ALIASES), kind) for _, kind in columns]
                renamed = f"({', '.join(name for name, _ in columns)})"
            kept = self.one("", "", "", " MATERIALIZED", " NOT MATERIALIZED")
            parts.append(f"{self.written(name)}{renamed} AS{kept} ({text})")
            self._with.append((name, columns))
        return f"WITH {', '.join(parts)} "

    def _set_operation(
        self, depth: int, around: Names | None, width: int | None
    ) -> tuple[str, Columns, Names]:
        width = width or self.random.randrange(1, 4)
        left, columns, _ = self._select(depth + 1, around, width)
        right, others, _ = self._select(depth + 1, around, width)
        word = self.one("UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL", "INTERSECT ALL")
        if self.chance(20):
            word = f"{word} BY NAME" if word.startswith("UNION") else word
            columns = columns + [each for each in others if each not in columns]
        if self.chance(30):
            right = f"({right}{self._order(others, Names()) if self.chance(50) else ''} LIMIT 5)"
        return f"{left} {word} {right}", columns, Names()

    def _limit(self, depth: int) -> str:
        if depth < DEEPEST and self.chance(15):
            return f"(SELECT count(*) FROM {self.one('t', 'u')} WHERE race = 1)"
        return self.one("3", "5", "40%", "$least")

    def _order(self, columns: Columns, names: Names) -> str:
        def key() -> str:
            drawn = self.random.randrange(5)
            if drawn == 0 and columns:
                return str(self.random.randrange(1, len(columns) + 1))
            if drawn <= 2 and columns:
                return self.written(self.random.choice(columns)[0])
            if drawn == 3 and columns and self.random.choice(columns)[1] == "i":
                return f"{self.written(self.random.choice(columns)[0])} + {self.one('0', '1')}"
            return self.number(names, DEEPEST)

        if self.chance(8):
            return f" ORDER BY ALL{self.one('', ' DESC')}"
        keys = [key() + self.one("", "", " DESC", " NULLS FIRST") for _ in range(self.random.randrange(1, 3))]
        return f" ORDER BY {', '.join(keys)}"

    def _select(self, depth: int, around: Names | None, width: int | None) -> tuple[str, Columns, Names]:
        text_from, sources = self.tables(depth, around)
        names = Names(sources, around)
        where = f" WHERE {self.condition(names, depth)}" if self.chance(40) else ""
        if self.chance(28):
            listed, columns, end = self._grouped(names, depth, width)
        else:
            named = ""
            if self.chance(10):
                names.windows = ["w1"]
                named = f" WINDOW w1 AS ({self._frame(names, depth)})"
                if self.chance(40):
                    names.windows.append("w2")
                    named += f", w2 AS (w1{self.one('', ' ROWS 1 PRECEDING')})"
            listed, columns = self._listed(names, depth, width)
            end = named
            if self.chance(8):
                end += f" QUALIFY {self.window(names, depth)} {self.one('=', '<', '>=')} {self.one('1', '2', '3')}"
        distinct = ""
        if self.chance(12):
            distinct = "DISTINCT "
            if self.chance(50):
                distinct = f"DISTINCT ON ({self.number(names, DEEPEST)}) "
        if self.chance(5) and not distinct:
            return f"FROM {text_from} SELECT {listed}{where}{end}", columns, names
        return f"SELECT {distinct}{listed} FROM {text_from}{where}{end}", columns, names

    def _listed(self, names: Names, depth: int, width: int | None) -> tuple[str, Columns]:
        """Write what a SELECT lists, which may name what stands before it in the same list."""
        if width is None and self.chance(22):
            return self._star(names, depth)
        parts: list[str] = []
        columns: Columns = []
        for _ in range(width or self.random.randrange(1, 5)):
            kind = "i" if width or self.chance(88) else self.one("l", "s")
            text = (
                self.window(names, depth)
                if kind == "i" and self.chance(12)
                else self.value(kind, names, depth)
            )
            name = self.random.choice(ALIASES)
            if any(name == each for each, _ in columns) and depth == 0:
                name = f"{name}{len(columns)}"
            parts.append(
                f"{name}: {text}"
                if self.chance(4)
                else f"{text} {self.one('AS', 'AS', '')} {self.written(name)}"
            )
            columns.append((name, kind))
            names.aliases.append((name, kind))
        return ", ".join(parts), columns

    def _star(self, names: Names, depth: int) -> tuple[str, Columns]:
        every = [column for _, columns in names.sources for column in columns]
        before = ""
        if self.chance(40) and names.sources:
            alias, every = self.random.choice(names.sources)
            before = f"{self.written(alias)}."
        if not every:
            return "*", every
        picked = self.random.choice(every)
        choice = self.random.randrange(6)
        if choice == 0:
            return f"{before}* EXCLUDE ({self.written(picked[0])})", [
                each for each in every if each[0] != picked[0]
            ]
        if choice == 1:
            return f"{before}* REPLACE ({self.number(names, depth)} AS {self.written(picked[0])})", every
        if choice == 2:
            name = self.random.choice(ALIASES)
            return f"{before}* RENAME ({picked[0]} AS {name})", [
                (name, each[1]) if each == picked else each for each in every
            ]
        if choice == 3 and not before:
            return (
                f"COLUMNS({self.one(chr(39) + 'r.*' + chr(39), 'c -> c <> ' + chr(39) + 'race' + chr(39))})",
                every,
            )
        extra = f", {self.number(names, depth)} AS extra" if self.chance(30) else ""
        return f"{before}*{extra}", [*every, ("extra", "i")] if extra else every

    def _grouped(self, names: Names, depth: int, width: int | None) -> tuple[str, Columns, str]:
        keys = [self.column(names, "i") for _ in range(self.random.randrange(1, 3))]
        count = width or self.random.randrange(1, 4)
        parts: list[str] = []
        columns: Columns = []
        for number in range(count):
            text = self.random.choice(keys) if self.chance(35) else self.aggregate(names, depth)
            if self.chance(12):
                text = f"{text} + {self.aggregate(names, depth)}"
            name = self.random.choice(ALIASES)
            name = f"{name}{number}" if depth == 0 and any(name == each for each, _ in columns) else name
            parts.append(f"{text} AS {self.written(name)}")
            columns.append((name, "i"))
        choice = self.random.randrange(9)
        keyed = ", ".join(keys)
        by = {
            0: "ALL",
            1: "ALL",
            2: f"ROLLUP ({keyed})",
            3: f"CUBE ({keyed})",
            4: f"GROUPING SETS (({keyed}), ({keys[0]}), ())",
        }.get(choice, keyed)
        if choice == 5 and columns:
            by = f"{keyed}, {self.written(self.random.choice(columns)[0])}"
        end = "" if choice == 6 else f" GROUP BY {by}"
        if self.chance(25):
            end += f" HAVING {self.aggregate(names, depth)} {self.one('>', '<', '<>')} {self.one('1', '3')}"
        return ", ".join(parts), columns, end

    def tables(self, depth: int, around: Names | None) -> tuple[str, Sources]:
        text, first = self._table(depth, around)
        sources = [first]
        while len(sources) < 3 and self.chance(38):
            right, source = self._table(depth, around)
            names = Names([*sources, source], around)
            text += self._joined(right, names, sources, source, depth)
            sources.append(source)
            if " SEMI " in text or " ANTI " in text:
                sources.pop()
                break
        return text, sources

    def _joined(
        self,
        right: str,
        names: Names,
        sources: Sources,
        source: tuple[str, Columns],
        depth: int,
    ) -> str:
        shared = [
            name
            for name, kind in source[1]
            if kind == "i" and any((name, kind) in each for _, each in sources)
        ]
        choice = self.random.randrange(12)
        if choice == 0:
            return f", {right}"
        if choice == 1:
            return f" CROSS JOIN {right}"
        if choice == 2:
            return f" POSITIONAL JOIN {right}"
        if choice == 3:
            return f" NATURAL {self.one('', 'LEFT ')}JOIN {right}"
        side = self.one("", "", "LEFT ", "RIGHT ", "FULL ", "SEMI ", "ANTI ")
        if choice == 4:
            on = f"{self.column(Names([*sources]), 'i')} >= {self.column(Names([source]), 'i')}"
            return f" ASOF {self.one('', 'LEFT ')}JOIN {right} ON {on}"
        if shared and choice <= 7:
            using = self.random.sample(shared, self.random.randrange(1, min(2, len(shared)) + 1))
            return f" {side}JOIN {right} USING ({', '.join(dict.fromkeys(using))})"
        mine, other = self.column(Names([*sources]), "i"), self.column(Names([source]), "i")
        more = f" AND {self.condition(names, DEEPEST)}" if self.chance(25) else ""
        return f" {side}JOIN {right} ON {mine} = {other}{more}"

    def _table(self, depth: int, around: Names | None) -> tuple[str, tuple[str, Columns]]:
        choice = self.random.randrange(20)
        alias = self.random.choice(TABLE_ALIASES)
        if choice < 5 and depth < DEEPEST:
            lateral = self.chance(12)
            text, columns = self.query(depth + 1, around if lateral else None)
            renamed = ""
            if self.chance(15):
                columns = [(self.random.choice(ALIASES), kind) for _, kind in columns]
                renamed = f"({', '.join(name for name, _ in columns)})"
            return f"{'LATERAL ' if lateral else ''}({text}) AS {self.written(alias)}{renamed}", (
                alias,
                columns,
            )
        if choice == 5:
            return f"(VALUES (1, 2), (3, 4)) AS {alias}(race, x)", (alias, [("race", "i"), ("x", "i")])
        if choice == 6:
            return f"unnest([1, 2, 3]) AS {alias}(id)", (alias, [("id", "i")])
        known = [*self._with, *([(each, columns_of(each)) for each in TABLES])]
        name, columns = (
            self.random.choice(known[: len(self._with)] or known)
            if self.chance(55)
            else self.random.choice(known)
        )
        place = ".".join(map(self.written, name.split(".")))
        if self.chance(40):
            return f"{place} AS {self.written(alias)}", (alias, columns)
        if name in TABLES and self.chance(6):
            place = f"main.{place}" if "." not in name else place
        return place, (name.rpartition(".")[2], columns)


def columns_of(table: str) -> Columns:
    """Return the columns of a table with their kinds."""
    return [(name, _kind(data_type)) for name, data_type in TABLES[table].items()]
