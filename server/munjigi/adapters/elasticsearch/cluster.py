"""Requests to one cluster on an event loop.

The official client's transport does the work (nodes, TLS, connections). Retries are ours (`sender.py`): the client's own
know nothing of single documents.
"""

from __future__ import annotations

import warnings
from typing import Any, Self

from elastic_transport import TransportError
from elasticsearch import AsyncElasticsearch

from munjigi.adapters.elasticsearch.access import Access, Authorization, Reply, quiet, reply_of, tls_of, unreachable
from munjigi.adapters.elasticsearch.wire import SERIALIZERS


class Cluster:
    """Requests to one cluster. Use as an asynchronous context manager, or call `close`."""

    def __init__(self, access: Access) -> None:
        self._access = access
        quiet()
        # aiohttp warns of bodies above 1 MiB that hold the loop up; this loop has nobody waiting who would mind 5 MB.
        warnings.filterwarnings("ignore", "Sending a large body", ResourceWarning)
        self._authorization = Authorization(access)
        trusted = tls_of(access)
        options: dict[str, Any] = {} if trusted is None else {"ssl_context": trusted}
        self._client = AsyncElasticsearch(list(access.urls), serializers=SERIALIZERS, **options)

    async def request(self, method: str, target: str, body: object = None, *, lines: bool = False) -> Reply:
        """Send one request; `lines` says that `body` is newline-delimited JSON.

        Raises `Unavailable` when no answer came, so that nobody knows whether it was done (`ELASTICSEARCH_SLOW`: not in time), and
        `ConfigurationError` when the credentials' file can't be read.
        """
        headers = self._authorization.headers(body=body is not None, lines=lines)
        try:
            meta, content = await self._client.transport.perform_request(
                method, target, body=body, headers=headers, max_retries=0, request_timeout=self._access.timeout
            )
        except TransportError as error:
            raise unreachable(error) from error
        return reply_of(meta.status, content)

    async def demand(self, method: str, target: str, body: object = None, *, fine: tuple[int, ...] = ()) -> Reply:
        """Send one request that must be done, or be answered with a status in `fine`. Raises `Unavailable` also for refusals."""
        return (await self.request(method, target, body)).demanded(fine)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
