# ruff: noqa: INP001, T201 -- a script of the documentation, which prints
"""Sign a sample employee in to a sample tool: prints the `export` lines that the example desk needs.

    eval "$(python docs/sample_sign_in.py cs.kim crm-desk)"

Works with the embedded identity only, for whoever may read the issuer's key in the state folder. In a company the
employee's token comes from the OpenID provider, and the tool has a certificate.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from munjigi.adapters.identity.local_issuer import mint_employee, mint_tool
from munjigi.adapters.sample.postgres import sample_uri

employee, tool = sys.argv[1:3]
state = Path(os.environ.get("MUNJIGI_STATE_DIR", "var"))
for name, value in {
    "MUNJIGI_TARGET": os.environ.get("MUNJIGI_GRPC_ADDRESS", "127.0.0.1:7443"),
    "MUNJIGI_TOKEN": mint_employee(state, employee, tool),
    "MUNJIGI_TOOL_TOKEN": mint_tool(state, tool),
    "MUNJIGI_SAMPLE_DSN": sample_uri(state),
}.items():
    print(f"export {name}={shlex.quote(value)}")
