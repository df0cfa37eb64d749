"""Decision tables that the security team writes: tests/*.yaml."""

from __future__ import annotations

from munjigi.policy.findings import Findings


def read_tables(file: str, text: str, findings: Findings) -> None:
    """Read one table."""
