"""Run the migrations on the connection that the store hands over; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from munjigi.adapters.state.tables import METADATA

# One transaction around it all is the caller's: a killed migration leaves the old schema.
context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, transactional_ddl=True)
context.run_migrations()
