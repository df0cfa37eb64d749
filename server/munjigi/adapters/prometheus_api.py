"""Ask a Prometheus server (HTTP API v1: https://prometheus.io/docs/prometheus/2.42/querying/api/)."""

from __future__ import annotations

import http.client
import ssl
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ConfigurationError, InvalidArgument, Unavailable
from munjigi.reports.interpolation import Span
from munjigi.reports.ports import Series

_MOST: Final = 64 * 1024 * 1024  # bytes of an answer
_SECONDS: Final = 30.0


class PrometheusApi:
    """One server, given by its address; `authorization` is the value of that header, if it wants one.

    Raises `ConfigurationError` when the address is none.
    """

    def __init__(self, address: str, authorization: str = "", authority: str | None = None) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ConfigurationError(
                "PROMETHEUS_ADDRESS_INVALID",
                "The address of Prometheus is none; write it like http://127.0.0.1:9090 or https://prometheus.example/path.",
            )
        self._parts = parts
        self._authorization = authorization
        self._tls = ssl.create_default_context(cafile=authority) if parts.scheme == "https" else None

    @property
    def name(self) -> str:
        """Return whom it asks."""
        return self._parts.netloc

    def at(self, expression: str, moment: int) -> list[Series]:
        """Return each series' value at a moment."""
        found = self._ask("query", {"query": expression, "time": _seconds(moment)})
        return [Series(each["metric"], ((float(each["value"][0]), float(each["value"][1])),)) for each in found]

    def over(self, expression: str, span: Span, step: int) -> list[Series]:
        """Return each series' values, at times that are multiples of the step, as Grafana asks."""
        start, end = (moment // SECOND // step * step for moment in span)
        found = self._ask("query_range", {"query": expression, "start": start, "end": end, "step": step})
        return [Series(each["metric"], tuple((float(time), float(value)) for time, value in each["values"])) for each in found]

    def _ask(self, what: str, values: dict[str, Any]) -> list[Any]:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        if self._authorization:
            headers["authorization"] = self._authorization
        host, port = self._parts.hostname or "", self._parts.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=_SECONDS)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=_SECONDS, context=self._tls)
        )
        try:
            connection.request("POST", f"{self._parts.path.rstrip('/')}/api/v1/{what}", urlencode(values), headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read(_MOST + 1)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                "PROMETHEUS_UNREACHABLE",
                f"Prometheus at {self.name} does not answer ({type(error).__name__}); name one that does with --prometheus.",
            ) from None
        finally:
            connection.close()
        try:
            content: Any = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict) or "status" not in content:
            raise Unavailable(
                "PROMETHEUS_UNREACHABLE",
                f"What answers at {self.name} is no Prometheus (status {status}); name the server's own address with --prometheus.",
            )
        if content["status"] != "success":
            raise InvalidArgument(
                "PROMETHEUS_REFUSES",
                f"Prometheus refuses an expression ({content.get('errorType', 'no reason')}): {content.get('error', '')}",
            )
        return list(content["data"]["result"])


def _seconds(moment: int) -> str:
    return f"{moment // SECOND}.{moment % SECOND:09d}"
