# ruff: noqa: INP001 - a script, run by its path
"""Show what Alertmanager sends, a line an alert: a sample receiver for alertmanager.yml, to see one arrive.

    python deploy/prometheus/receiver.py            # listens on 127.0.0.1:9095
    python deploy/prometheus/receiver.py --json     # the same as JSON lines, for a program

Needs nothing but Python. Read it as an example of what your own receiver gets; it keeps nothing and tells nobody.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONGEST = 4 << 20  # bytes
_NAMED = ("alertname", "severity", "owner")  # labels that a line says in words


def told(path: str, message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each alert of a message, as flat as a line can show it."""
    for alert in message["alerts"]:
        labels = alert["labels"]
        yield {
            "receiver": path.strip("/"),
            "status": alert["status"],  # firing, or resolved
            "alert": labels["alertname"],
            "labels": {name: value for name, value in sorted(labels.items()) if name not in _NAMED},
            "summary": alert["annotations"].get("summary", ""),
            "runbook": alert["annotations"].get("runbook_url", ""),
            "since": alert["startsAt"],
        }


def line(each: dict[str, Any]) -> str:
    """Write an alert for people."""
    labels = " ".join(f"{name}={value}" for name, value in each["labels"].items())
    return f"{each['status']:8}  {each['receiver']:22}  {each['alert']}  {labels}\n{'':10}{each['summary']}\n{'':10}{each['runbook']}"


class _Receiver(BaseHTTPRequestHandler):
    as_json = False

    def do_POST(self) -> None:
        """Take a message. What can't be read is refused, so that Alertmanager says so in its log."""
        try:
            length = int(self.headers.get("content-length", "0"))
            alerts = list(told(self.path, json.loads(self.rfile.read(min(length, _LONGEST)))))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.send_error(400)
            return
        for each in alerts:
            sys.stdout.write((json.dumps(each) if self.as_json else line(each)) + "\n")
        sys.stdout.flush()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


def main() -> None:
    """Listen until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=9095)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    _Receiver.as_json = options.json
    server = ThreadingHTTPServer(("127.0.0.1", options.port), _Receiver)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
