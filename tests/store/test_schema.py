"""Statements of the store: what they write, and how many different ones there are."""

from __future__ import annotations

import sqlite3  # noqa: TID251  what it makes of them
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.store.schema import COLUMNS, TABLES, delete, insert

#: Numbers of rows in one batch: a commit of a calm LAN has a few, one after an outage thousands.
COUNTS = (*range(1, 300), 1000, 2047)
#: Variables that SQLite before 3.32 takes in one statement.
MAX_VARIABLES = 999


def rows_of(table: str, count: int) -> list[tuple[Any, ...]]:
    """So many, whose texts are their keys; ``number`` columns need not be text for SQLite."""
    return [tuple(f"{name} {number}" if name != "id" else number for name in COLUMNS[table]) for number in range(count)]


class StatementTests(SynchronousTestCase):
    def test_few_different_ones(self) -> None:
        """Each table has a handful, whatever the number of rows: the connection keeps each that it compiled."""
        for table in COLUMNS:
            inserts = {text for count in COUNTS for text, _ in insert(table, rows_of(table, count))}
            deletes = {text for count in COUNTS for text, _ in delete(table, list(range(count)))}
            self.assertEqual((4, 4), (len(inserts), len(deletes)), table)

    def test_few_steps(self) -> None:
        """Each gives the interpreter's lock away: a batch takes one, a large one one for 64 rows or keys."""
        for count, steps in ((1, 1), (5, 1), (64, 1), (65, 2), (1000, 16)):
            self.assertEqual(steps, len(list(insert("outbox", rows_of("outbox", count)))))
        for count, steps in ((1, 1), (64, 1), (65, 2)):
            self.assertEqual(steps, len(list(delete("outbox", list(range(count))))))
        self.assertEqual(([], []), (list(insert("outbox", [])), list(delete("outbox", []))))

    def test_variables(self) -> None:
        """An old SQLite takes each of them."""
        for table in COLUMNS:
            for count in (64, 100, 1000):
                for _, values in (*insert(table, rows_of(table, count)), *delete(table, list(range(count)))):
                    self.assertLessEqual(len(values), MAX_VARIABLES)

    def test_what_is_written(self) -> None:
        """Every row, once; the same again in its place; and those are gone that are to be, and no others."""
        for count in (1, 2, 3, 5, 63, 64, 65, 130, 700):
            connection = sqlite3.connect(":memory:", isolation_level=None)
            self.addCleanup(connection.close)
            for table in TABLES:
                connection.execute(table)
            rows = rows_of("cameras", count)
            for _ in range(2):
                for statement in insert("cameras", [(f"{number:05}", text) for number, text in rows]):
                    connection.execute(*statement)
                found = connection.execute("SELECT id, document FROM cameras ORDER BY id").fetchall()
                self.assertEqual([(f"{number:05}", text) for number, text in rows], found)
            for statement in delete("cameras", [f"{number:05}" for number in range(count - 1)]):
                connection.execute(*statement)
            self.assertEqual([(f"{count - 1:05}",)], connection.execute("SELECT id FROM cameras").fetchall())
