# ruff: noqa: INP001 - a script, run by its path
"""Write a calendar.toml for a policy home: the public holidays of a country, for review and commit like any other policy.

    python -m pip install holidays
    python deploy/calendar/generate.py KR Asia/Seoul 2026 2028 > policies/calendar.toml

Country by ISO 3166 code, zone by IANA name, first and last year. Nothing of this runs in the server: the file decides.
"""

from __future__ import annotations

import importlib
import json
import sys


def main(country: str, zone: str, first: str, last: str) -> None:
    """Write the file to standard output."""
    package = importlib.import_module("holidays")
    days = package.country_holidays(country, years=range(int(first), int(last) + 1), language="en_US")
    lines = [
        f"# What time conditions see. Holidays of {country}, {first} to {last}, by the PyPI package holidays {package.__version__};",
        "# generated with deploy/calendar/generate.py. Add what the government announces later.",
        "",
        f"zone = {json.dumps(zone)}",
        "",
        "[holidays]",
        *(f"{day} = {json.dumps(name, ensure_ascii=False)}" for day, name in sorted(days.items())),
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
