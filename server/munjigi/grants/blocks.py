"""The control center's switch: a person with all accounts, or a tool, is stopped at once, whatever it holds."""

from __future__ import annotations

from munjigi.grants.book import Book
from munjigi.kernel.errors import NotFound
from munjigi.kernel.grant import Block
from munjigi.kernel.identity import EmployeeKey


def block_of(book: Book, employee: EmployeeKey | None, tool: str) -> Block:
    """Return what blocks an employee's person, or a tool. Raises `NotFound` for one that nobody knows."""
    if employee is None:
        # One that tools.toml has forgotten is still to be unblocked.
        if tool not in book.bundle.tools and Block("tool", tool) not in book.holdings.blocks:
            raise NotFound("TOOL_UNKNOWN", "No tool of tools.toml has this name; `munjigi policy lint` reads the file.")
        return Block("tool", tool)
    person = book.holdings.person(employee)
    if person is None:
        raise NotFound("ACCOUNT_UNKNOWN", "This account belongs to no person, so it holds nothing; name another, or its issuer.")
    return Block("person", person.person_id)
