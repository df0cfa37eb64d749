"""The standard health service (grpc.health.v1): readiness by service name, open to everyone."""

from __future__ import annotations

from typing import Final

from grpc_health.v1 import health_pb2

from munjigi.kernel.errors import NotFound
from munjigi.rpc.call import Call, Method

_SERVICE: Final = "grpc.health.v1.Health"


class HealthService:
    """Tell whether the gateway serves. `""` and `munjigi` are the gateway, `follower` its follower, `disk` the room for records."""

    def __init__(self) -> None:
        self._serving: dict[str, bool] = {"": False, "munjigi": False, "follower": False, "disk": True}

    def set(self, name: str, serving: bool) -> None:
        """Set the state of one service."""
        self._serving[name] = serving

    def serving(self, name: str = "") -> bool:
        """Tell the state of one service."""
        return self._serving[name]

    def methods(self) -> list[Method]:
        """List the methods."""
        return [Method(_SERVICE, "Check", health_pb2.HealthCheckRequest, self.check, open=True)]

    def check(self, call: Call, request: health_pb2.HealthCheckRequest) -> health_pb2.HealthCheckResponse:
        """Answer SERVING or NOT_SERVING."""
        del call
        if request.service not in self._serving:
            raise NotFound("SERVICE_UNKNOWN", "Ask for the empty name, `munjigi`, `follower` or `disk`.")
        state = (
            health_pb2.HealthCheckResponse.SERVING
            if self._serving[request.service]
            else health_pb2.HealthCheckResponse.NOT_SERVING
        )
        return health_pb2.HealthCheckResponse(status=state)
