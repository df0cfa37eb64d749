"""The state store on SQLite: people, grants and the revision log."""
