"""Evaluate a request against an immutable snapshot. Pure: no clock, no I/O, no randomness."""
