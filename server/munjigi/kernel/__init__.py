"""Ids, clock, errors and small value types. Imports the standard library only."""
