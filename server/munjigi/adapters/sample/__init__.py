"""The sample member database: synthetic members in a PostgreSQL that comes as a wheel."""
