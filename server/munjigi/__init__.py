"""Munjigi: access control and audit for members' personal data."""

__version__ = "0.1.0"
