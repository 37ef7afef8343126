"""The text of a query as a tree, as sqlglot reads DuckDB's SQL.

Rules:

- What ends a query (`;`, with or without a comment after it) is no statement of its own.
- `(SELECT a FROM loans ORDER BY a) AS t(b)` names the columns from outside. sqlglot moves such names inward, where the
  clauses of the query do not know them: so the query is put into another one, which passes its columns on.

>>> [tree.sql() for tree in statements("SELECT 1; -- that is all")]
['SELECT 1']
>>> named_outside(statements("SELECT b FROM (SELECT a FROM t ORDER BY a) AS u(b)")[0]).sql("duckdb")
'SELECT b FROM (SELECT * FROM (SELECT a FROM t ORDER BY a) AS "the named") AS u(b)'
"""

from typing import Any, Final

from audit.errors import EnvironmentFailed

try:
    import sqlglot
    from sqlglot import exp
except ImportError:
    raise EnvironmentFailed("queries are read by the package sqlglot: install affidavit[sql]") from None

__all__ = ["named_outside", "statements"]

INNER: Final = "the named"


def statements(text: str) -> list[Any]:
    """Return the statements of a text; raises what sqlglot does where it is no SQL."""
    found = sqlglot.parse(text, read="duckdb")
    return [tree for tree in found if tree is not None and not isinstance(tree, exp.Semicolon)]


def named_outside(tree: Any) -> Any:
    """Put each ordered query whose columns are named from outside into one that passes them on."""
    for node in list(tree.find_all(exp.Subquery, exp.CTE)):
        query: Any = node.this
        alias = node.args.get("alias")
        if (
            alias is None
            or not alias.columns
            or not isinstance(query, exp.Query)
            or not query.args.get("order")
        ):
            continue
        around = exp.select("*").from_(
            exp.Subquery(this=query.copy(), alias=exp.TableAlias(this=exp.to_identifier(INNER, quoted=True)))
        )
        query.replace(around)
    return tree
