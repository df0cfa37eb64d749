"""Run the migrations of a schema on the connection that `migrate.py` hands over; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

given = context.config.attributes

# One transaction around it all is the caller's: a killed migration leaves the old schema.
context.configure(connection=given["connection"], version_table=given["version_table"], transactional_ddl=True)
context.run_migrations()
