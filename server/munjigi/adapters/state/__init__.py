"""The state store on SQLite: people, grants and the log of permission records."""
