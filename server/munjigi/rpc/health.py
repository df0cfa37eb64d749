"""The standard health service (grpc.health.v1): readiness by service name, open to everyone.

`Check` is a method like any other. `Watch` is a stream of answers to one request, which the grpcio server serves; it ends
when the gateway drains, so that nobody who only watches holds up a stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from grpc_health.v1 import health_pb2

from munjigi.kernel.errors import NotFound, ResourceExhausted, Unavailable
from munjigi.rpc.call import Call, Method

SERVICE: Final = "grpc.health.v1.Health"
WATCHES: Final = 256  # at once: anyone may open one, and each holds memory


class HealthService:
    """Tell whether the gateway serves. `""` and `munjigi` are the gateway, `follower` its follower, `disk` the room for records.

    `policy` is the policy home: not serving while it is refused and an older policy decides.
    """

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {"": False, "munjigi": False, "follower": False, "disk": True, "policy": True}
        self._changed = asyncio.Event()
        self._watches = 0
        self._draining = False

    def set(self, name: str, serving: bool) -> None:
        """Set the state of one service. To be called on the event loop. Who drains does not serve again."""
        if self._serving[name] is not serving and not (serving and self._draining):
            self._serving[name] = serving
            self._tell()

    @property
    def staying(self) -> bool:
        """Tell whether the gateway does not stop: calls may wait, though it may not serve for a moment."""
        return not self._draining

    def drain(self) -> None:
        """End every watch, after it has told the last state."""
        self._draining = True
        self._tell()

    def serving(self, name: str = "") -> bool:
        """Tell the state of one service."""
        return self._serving[name]

    def methods(self) -> list[Method]:
        """List the methods."""
        return [Method(SERVICE, "Check", health_pb2.HealthCheckRequest, self.check, open=True)]

    def check(self, call: Call, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        """Answer SERVING or NOT_SERVING."""
        del call
        if request.service not in self._serving:
            raise NotFound("SERVICE_UNKNOWN", "Ask for the empty name, `munjigi`, `follower`, `disk` or `policy`.")
        return health_pb2.HealthCheckResponse(status=self._state(request.service))

    async def watch(self, request: health_pb2.HealthCheckRequest) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the state now and after each change; of a service that does not exist, SERVICE_UNKNOWN, as the protocol has it.

        What changes while an answer is being sent is told by its last state. Raises `ResourceExhausted` WATCHES_BUSY when too
        many watch already, and `Unavailable` DRAINING when the gateway stops.
        """
        if self._watches >= WATCHES:
            raise ResourceExhausted("WATCHES_BUSY", f"{WATCHES} calls watch the health already; ask by Check, or try later.", 5.0)
        self._watches += 1
        try:
            told = -1
            while True:
                changed, draining, state = self._changed, self._draining, self._state(request.service)
                if state != told:
                    told = state
                    yield health_pb2.HealthCheckResponse(status=state)
                if draining:
                    raise Unavailable("DRAINING", "The gateway is stopping; ask another one or try again.")
                await changed.wait()
        finally:
            self._watches -= 1

    def _state(self, name: str) -> int:
        if name not in self._serving:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        return health_pb2.HealthCheckResponse.SERVING if self._serving[name] else health_pb2.HealthCheckResponse.NOT_SERVING

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
