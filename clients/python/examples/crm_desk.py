"""A customer service desk in one screen: ask Munjigi, read what was allowed, show it masked, confirm.

    python crm_desk.py CS-2026-000123 1000001 --dsn postgresql://...

MUNJIGI_TARGET, MUNJIGI_TOKEN (the employee's), MUNJIGI_TOOL_TOKEN and MUNJIGI_SAMPLE_DSN say where and who; with
`--trial` the desk only observes: nothing is stopped and nothing is masked. Exit codes: 0 shown, 1 failure, 2 usage, 3 denied.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from munjigi_client import Client, Denied, MunjigiClientError

FIELDS = ("serial", "name", "phone", "email", "birth_date", "status")


def show_member(client: Client, dsn: str, case_id: str, serial: str) -> None:
    """Print one member's fields as the employee may see them. Raises `Denied` when they may not."""
    with client.access("crm.member", FIELDS, purpose="inquiry", case_id=case_id, member_ids=[serial]) as access:
        # Only what was allowed is read: a column that is denied never leaves the database.
        columns = access.decision.visible or FIELDS
        query = sql.SQL("SELECT {} FROM member WHERE serial = %s").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
        with psycopg.connect(dsn, row_factory=dict_row) as database:
            rows = database.execute(query, [int(serial)]).fetchall()
        for row in rows:
            for name, value in access.masked(row).items():
                print(f"{name:12} {'' if value is None else value}")
        access.read(rows=len(rows), member_ids=[serial] if rows else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the desk once."""
    parser = argparse.ArgumentParser(description="Show one member to the employee who works on a case.")
    parser.add_argument("case_id")
    parser.add_argument("serial")
    parser.add_argument("--dsn", default=os.environ.get("MUNJIGI_SAMPLE_DSN", ""), help="the sample database")
    parser.add_argument("--target", default=os.environ.get("MUNJIGI_TARGET", "127.0.0.1:7443"))
    parser.add_argument("--trial", action="store_true", help="only observe: stop and mask nothing")
    options = parser.parse_args(arguments)
    if not options.dsn:
        parser.error("name the sample database with --dsn or MUNJIGI_SAMPLE_DSN; docs/sample_sign_in.py prints it")
    client = Client(
        options.target,
        employee_token=os.environ.get("MUNJIGI_TOKEN", ""),
        tool_token=os.environ.get("MUNJIGI_TOOL_TOKEN") or None,
        observe=options.trial,
        on_observed=lambda seen: print(f"trial: would be denied: {seen.reason}. {seen.help}", file=sys.stderr),
    )
    try:
        with client:
            show_member(client, options.dsn, options.case_id, options.serial)
    except Denied as denied:
        print(denied.help or denied.message, file=sys.stderr)
        return 3
    except MunjigiClientError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
