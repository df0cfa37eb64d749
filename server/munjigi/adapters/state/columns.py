"""The type of every text column. It is part of the migrations, so it never changes."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Text

# Compared and ordered byte by byte, as Python compares strings: SQLite does by itself, PostgreSQL by the database's locale.
TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
