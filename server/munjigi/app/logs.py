"""Structured logs on standard error: one line an event, no personal data, no values of requests."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any, Final, Literal

from munjigi.kernel.clock import to_rfc3339
from munjigi.kernel.errors import MunjigiError, frames_of

_LOGGER: Final = logging.getLogger("munjigi.process")

_PLAIN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class _Lines(logging.Formatter):
    def __init__(self, process: str, *, as_json: bool) -> None:
        super().__init__()
        self._process = process
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in record.__dict__.items() if name not in _PLAIN}
        if record.exc_info and record.exc_info[0] is not None:
            # Only the kind: the text of a foreign error may hold a request's values (P5).
            extra["error"] = record.exc_info[0].__name__
        time = to_rfc3339(int(record.created * 1e9))[:23] + "Z"
        if self.as_json:
            line = {
                "time": time,
                "level": record.levelname.lower(),
                "process": self._process,
                "event": record.getMessage(),
                **extra,
            }
            return json.dumps(line, ensure_ascii=False, default=str)
        details = "".join(f"  {name}={value}" for name, value in extra.items())
        return f"{time[11:19]} {record.levelname.lower():7} {self._process:9} {record.getMessage()}{details}"


def set_up(process: str, level: str, style: Literal["auto", "text", "json"]) -> None:
    """Send the logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    as_json = style == "json" or (style == "auto" and not sys.stderr.isatty())
    handler.setFormatter(_Lines(process, as_json=as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("munjigi").setLevel(level.upper())


def style_in_use() -> tuple[str, Literal["text", "json"]]:
    """Return level and style of this process's logs, for a child that should write alike."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    text = any(isinstance(each, _Lines) and not each.as_json for each in formatters)
    return logging.getLevelName(logging.getLogger("munjigi").getEffectiveLevel()).lower(), "text" if text else "json"


def report(event: str, error: BaseException) -> None:
    """Log an error that nobody awaited: its kind and place, never its text."""
    reason = {"reason": error.reason, "help": error.message} if isinstance(error, MunjigiError) else {}
    _LOGGER.critical(event, extra={"error": type(error).__name__, "frames": frames_of(error), **reason})


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Take over from asyncio's own handler, which prints a failed callback with its arguments: payloads and tokens (P5)."""

    def unhandled(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            report("a callback failed", error)

    loop.set_exception_handler(unhandled)
