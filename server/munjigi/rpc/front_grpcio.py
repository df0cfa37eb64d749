"""The grpcio front: grpc.aio, with TLS where configured, and the home of streams, reflection and the watching of health.

It serves the same methods through the same pipeline. Behind the native front it runs once more, on a
private Unix socket, for what that front does not serve.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NoReturn

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection

from munjigi.kernel.errors import ConfigurationError, MunjigiError, ResourceExhausted, Unavailable
from munjigi.rpc.authentication import ListenerTrust
from munjigi.rpc.call import Method
from munjigi.rpc.credentials import credentials_of
from munjigi.rpc.health import SERVICE, HealthService
from munjigi.rpc.leased import LeasedDurability
from munjigi.rpc.pipeline import MAX_REQUEST_BYTES, Pipeline, parse
from munjigi.rpc.status import DETAILS_KEY, Outcome, Status, render
from munjigi.rpc.streams import PATIENCE, Streams

CertificateUris = Callable[[bytes], tuple[str, ...]]
_OPTIONS: Final = (
    # The pipeline refuses above MAX_REQUEST_BYTES with a reason; this bound only protects memory, and says nothing of ours.
    ("grpc.max_receive_message_length", 2 * MAX_REQUEST_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
)
_MAX_WATCH_BYTES: Final = 1024  # the transport keeps it as long as the call lasts, and anyone may watch
_STATUS: Final = {code.value[0]: code for code in grpc.StatusCode}


class GrpcioFront:
    """Serve methods on a grpc.aio server."""

    def __init__(
        self,
        methods: Sequence[Method],
        pipeline: Pipeline,
        durability: LeasedDurability,
        listener: ListenerTrust,
        certificate_uris: CertificateUris | None = None,
        *,
        reuse_port: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._durability = durability
        self._listener = listener
        self._certificate_uris = certificate_uris
        self._streams = Streams(durability, pipeline.grants)
        self.server = aio.server(options=(("grpc.so_reuseport", int(reuse_port)), *_OPTIONS))
        services: dict[str, dict[str, grpc.RpcMethodHandler[bytes, bytes]]] = {}
        for method in methods:
            handler: grpc.RpcMethodHandler[bytes, bytes] = (
                grpc.stream_stream_rpc_method_handler(self._serve_stream(method))
                if method.streaming
                else grpc.unary_unary_rpc_method_handler(self._serve(method))
            )
            services.setdefault(method.service, {})[method.name] = handler
        for service, handlers in services.items():
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.port = 0

    def describe(self, services: Iterable[str]) -> None:
        """Serve reflection, which tells of these services and of itself."""
        reflection.enable_server_reflection([*services, reflection.SERVICE_NAME], self.server)

    def watch_health(self, health: HealthService) -> None:
        """Serve the health service's `Watch`, beside the methods and, like its `Check`, without credentials."""

        async def watch(payload: bytes, context: aio.ServicerContext[Any, Any]) -> None:
            refused: Status
            try:
                if len(payload) > _MAX_WATCH_BYTES:
                    raise ResourceExhausted("REQUEST_TOO_LARGE", f"A request to watch has at most {_MAX_WATCH_BYTES} bytes.")
                async for answer in health.watch(parse(health_pb2.HealthCheckRequest, payload)):
                    await context.write(answer.SerializeToString())
                return
            except MunjigiError as error:
                refused = render(error)
            await _abort(context, refused)

        handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {"Watch": grpc.unary_stream_rpc_method_handler(watch)}
        self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    def listen(self, address: str, credentials: grpc.ServerCredentials | None = None) -> None:
        """Bind an address.

        Raises `ConfigurationError` when it cannot be bound.
        """
        try:
            if credentials is None:
                self.port = self.server.add_insecure_port(address)
            else:
                self.port = self.server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise ConfigurationError(
                "ADDRESS_UNUSABLE", "The gRPC address cannot be listened on; set MUNJIGI_GRPC_ADDRESS to a free one."
            ) from error

    async def start(self) -> None:
        """Accept calls."""
        await self.server.start()

    async def stop(self, grace: float) -> None:
        """Refuse new calls, let those under way be answered for `grace` seconds, close."""
        self._streams.drain()
        await self.server.stop(grace)

    def _serve(self, method: Method) -> Callable[[bytes, aio.ServicerContext[Any, Any]], Any]:
        start, listener = self._pipeline.start, self._listener
        durability = self._durability.plain if method.open else self._durability

        async def serve(payload: bytes, context: aio.ServicerContext[Any, Any]) -> bytes:
            result: Outcome
            try:
                uris = self._peer_uris(context)
                answer = start(
                    method, payload, credentials_of(context.invocation_metadata() or (), context.peer(), uris, listener)
                )
                result = answer if isinstance(answer, bytes) else await answer
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # rendered as a status, INTERNAL if it is not ours
                result = render(error)
            del payload  # what is raised from here on keeps this frame for a while, and need not keep a message
            try:
                await durability.durable(patience=PATIENCE)
            except Unavailable as error:
                result = render(error)
            return result if isinstance(result, bytes) else await _abort(context, result)

        return serve

    def _serve_stream(self, method: Method) -> Callable[[Any, aio.ServicerContext[Any, Any]], Any]:
        pipeline, listener = self._pipeline, self._listener

        async def serve(_: Any, context: aio.ServicerContext[Any, Any]) -> None:
            refused: Status | None
            try:
                credentials = credentials_of(
                    context.invocation_metadata() or (), context.peer(), self._peer_uris(context), listener
                )
                start = partial(pipeline.start_each, method, credentials)
                refused = await self._streams.serve(context.read, context.write, start)
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # noqa: BLE001  # see _serve
                refused = render(error)
            if refused is not None:
                await _abort(context, refused)

        return serve

    def _peer_uris(self, context: aio.ServicerContext[Any, Any]) -> tuple[str, ...] | None:
        if self._certificate_uris is None:
            return None
        pem = tuple(context.auth_context().get("x509_pem_cert", ()))
        return self._certificate_uris(pem[0]) if pem else ()


async def _abort(context: aio.ServicerContext[Any, Any], status: Status) -> NoReturn:
    await context.abort(_STATUS[status.code], status.message, ((DETAILS_KEY, status.details),))


def server_credentials(certificate: bytes, key: bytes, client_authority: bytes) -> grpc.ServerCredentials:
    """Make credentials that require a client certificate of `client_authority` (all PEM)."""
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=client_authority, require_client_auth=True)
