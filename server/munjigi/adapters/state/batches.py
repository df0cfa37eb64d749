"""Ask and write many rows at once: one statement for all of them costs a fraction of one for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Executable

_AT_ONCE: Final = 500  # values in one question
T = TypeVar("T")


def parts(values: Iterable[T]) -> Iterator[list[T]]:
    """Split values into lists that one question takes."""
    rest = iter(values)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def write_each(connection: Connection, statement: Executable, rows: list[dict[str, Any]]) -> None:
    """Execute a statement for each of the rows, if there is any."""
    if rows:
        connection.execute(statement, rows)
