"""Requests to one cluster from threads.

The official client's transport does the work, as in `cluster.py`; its classes for every API stay out of it, because they
would cost each gateway worker 20 MiB.
"""

from __future__ import annotations

from typing import Any, Final

from elastic_transport import NodeConfig, Transport, TransportError
from elastic_transport.client_utils import url_to_node_config

from munjigi.adapters.elasticsearch.access import Access, Authorization, Reply, quiet, reply_of, tls_of, unreachable
from munjigi.adapters.elasticsearch.wire import SERIALIZERS

_CONNECTIONS: Final = 4  # to one node: as many searches run at once


class BlockingCluster:
    """Requests to one cluster. Any thread may call."""

    def __init__(self, access: Access) -> None:
        self._access = access
        quiet()
        self._authorization = Authorization(access)
        trusted = tls_of(access)
        self._transport = Transport([_node(url, trusted) for url in access.urls], serializers=SERIALIZERS, max_retries=0)

    def request(self, method: str, target: str, body: object = None) -> Reply:
        """Send one request.

        Raises `Unavailable` when no answer came, and `ConfigurationError` when the credentials' file can't be read.
        """
        headers = self._authorization.headers(body=body is not None)
        try:
            meta, content = self._transport.perform_request(
                method, target, body=body, headers=headers, request_timeout=self._access.timeout
            )
        except TransportError as error:
            raise unreachable(error) from error
        return reply_of(meta.status, content)

    def demand(self, method: str, target: str, body: object = None, *, fine: tuple[int, ...] = ()) -> Reply:
        """Send one request that must be done, or be answered with a status in `fine`. Raises `Unavailable` also for refusals."""
        return self.request(method, target, body).demanded(fine)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def _node(url: str, trusted: Any) -> NodeConfig:
    """Return how to reach an address."""
    node = url_to_node_config(url, use_default_ports_for_scheme=True)
    options: dict[str, Any] = {"connections_per_node": _CONNECTIONS}
    if node.scheme == "https":
        options["ssl_context"] = trusted
    return node.replace(**options)
