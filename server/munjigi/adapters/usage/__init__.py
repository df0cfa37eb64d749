"""Where use is counted: a file beside the search index, or the database that has the state."""
