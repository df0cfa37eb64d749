# ruff: noqa: INP001, T201 -- a script of the documentation, which prints
"""Sign a sample employee in to a sample tool: prints the `export` lines that the example desk needs.

    eval "$(python docs/sample_sign_in.py cs.kim crm-desk)" && python clients/python/examples/crm_desk.py ...

Works with the embedded identity only, for whoever may read the issuer's key in the state folder. In a company the
employee's token comes from the OpenID provider, and the tool has a certificate. What is not ready yet is told on standard
error; the line `false` then makes `eval` fail, so that nothing is tried without it.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.adapters.sample.postgres import sample_uri
from munjigi.kernel.errors import MunjigiError


def main(employee: str, tool: str) -> int:
    """Print the lines; return the exit code."""
    state = Path(os.environ.get("MUNJIGI_STATE_DIR", "var"))
    try:
        signed_in = {
            "MUNJIGI_TARGET": os.environ.get("MUNJIGI_GRPC_ADDRESS", "127.0.0.1:7443"),
            "MUNJIGI_TOKEN": mint_employee(state, employee, tool),
            "MUNJIGI_TOOL_TOKEN": mint_tool(state, tool),
            "MUNJIGI_SAMPLE_DSN": sample_uri(state),
        }
    except MunjigiError as error:
        print(error.message, file=sys.stderr)
        print("false")
        return 1
    for name, value in signed_in.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: sample_sign_in.py EMPLOYEE TOOL, for example cs.kim crm-desk")
    sys.exit(main(*sys.argv[1:]))
