"""The full-text index over open offers: contentless FTS5 on SQLite, a tsvector column under GIN on PostgreSQL.

The index knows an offer by a whole number and holds terms and facets only, so the texts are stored once. Who may see an offer is a
facet as well: a search never meets, counts or ranks what its actor may not see. The index is written in the
transaction that opens or closes the offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from exchange.catalog.search_terms import ask, cut, fts5, tsquery, tsvector

# Tables of this name (FTS5 makes several) are no models; migrations leave them alone.
TABLE = "catalog_search"
# Numbers beyond this rank are not ranked any more: nobody reads so far, and the work stays bounded.
_WEIGHTS = "10.0, 5.0, 1.0, 0.0"


@dataclass(frozen=True)
class Document:
    """What is found of one offer: texts by weight, and facets (plain letters and digits)."""

    title: str
    keywords: str
    body: str
    facets: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    """A search: every word of `words` and, of each group in `facets`, at least one facet. No facets finds nothing."""

    words: str
    facets: tuple[tuple[str, ...], ...]


def create_search(connection: Connection) -> None:
    """Create the index's tables, empty; for the first migration and for tests."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE {TABLE} USING fts5(title, keywords, body, facets, content='', contentless_delete=1, "
            "tokenize='unicode61 remove_diacritics 0')"
        )
        return
    connection.exec_driver_sql(f"CREATE TABLE {TABLE} (number bigint PRIMARY KEY, terms tsvector NOT NULL)")
    connection.exec_driver_sql(f"CREATE INDEX ix_{TABLE}_terms ON {TABLE} USING gin (terms) WITH (fastupdate = off)")


def drop_search(connection: Connection) -> None:
    """Drop the index's tables."""
    connection.exec_driver_sql(f"DROP TABLE {TABLE}")


def put(session: Session, number: int, document: Document) -> None:
    """Make offer `number` findable by `document`, in place of what was there."""
    remove(session, number)
    if _is_sqlite(session):
        statement = f"INSERT INTO {TABLE}(rowid, title, keywords, body, facets) VALUES (:number, :title, :keywords, :body, :facets)"  # noqa: S608 - the table's name is a constant
        values = {
            "title": " ".join(cut(document.title)),
            "keywords": " ".join(cut(document.keywords)),
            "body": " ".join(cut(document.body)),
            "facets": " ".join(document.facets),
        }
        session.execute(text(statement), {"number": number, **values})
        return
    terms = tsvector(((document.title, "A"), (document.keywords, "B"), (document.body, "D")), document.facets)
    session.execute(
        text(f"INSERT INTO {TABLE}(number, terms) VALUES (:number, CAST(:terms AS tsvector))"),  # noqa: S608
        {"number": number, "terms": terms},
    )


def remove(session: Session, number: int) -> None:
    """Make offer `number` unfindable; nothing happens where it is."""
    column = "rowid" if _is_sqlite(session) else "number"
    session.execute(text(f"DELETE FROM {TABLE} WHERE {column} = :number"), {"number": number})  # noqa: S608


def clear(session: Session) -> None:
    """Make every offer unfindable."""
    session.execute(text(f"DELETE FROM {TABLE}"))  # noqa: S608


def find(session: Session, query: Query, *, limit: int, offset: int = 0) -> list[int]:
    """Return the numbers that meet `query`, best first (newest first where it has no words)."""
    terms = ask(query.words)
    if not query.facets or (query.words.strip() and not terms):
        return []
    values: dict[str, object] = {"limit": limit, "offset": offset}
    if _is_sqlite(session):
        order = f"bm25({TABLE}, {_WEIGHTS}), rowid DESC" if terms else "rowid DESC"
        values["query"] = _fts5(query, fts5(terms))
        statement = f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH :query ORDER BY {order} LIMIT :limit OFFSET :offset"  # noqa: S608
    else:
        words = tsquery(terms)
        order = (
            "ts_rank('{0.1, 0.1, 0.5, 1.0}', terms, CAST(:words AS tsquery)) DESC, number DESC"
            if words
            else "number DESC"
        )
        values["query"] = " & ".join([*_facet_groups(query.facets), *([f"({words})"] if words else [])])
        values |= {"words": words} if words else {}
        statement = f"SELECT number FROM {TABLE} WHERE terms @@ CAST(:query AS tsquery) ORDER BY {order} LIMIT :limit OFFSET :offset"  # noqa: S608
    return list(session.scalars(text(statement), values))


def _fts5(query: Query, words: str) -> str:
    groups = " AND ".join("(" + " OR ".join(f'"{facet}"' for facet in group) + ")" for group in query.facets)
    facets = f"facets : ({groups})"
    return f"{{title keywords body}} : ({words}) AND {facets}" if words else facets


def _facet_groups(facets: Sequence[Sequence[str]]) -> list[str]:
    return ["(" + " | ".join(f"'={facet}'" for facet in group) + ")" for group in facets]


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
