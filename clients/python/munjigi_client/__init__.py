"""Ask Munjigi before reading members' personal data."""

from munjigi_client._access import Access
from munjigi_client._aio import AsyncClient
from munjigi_client._channel import TLS
from munjigi_client._client import Client
from munjigi_client._errors import (
    ConfigurationError,
    ConfirmationsLost,
    Denied,
    InvalidRequest,
    MunjigiClientError,
    NotAuthenticated,
    NotFound,
    NotNow,
    NotPermitted,
    RateLimited,
    ServerFault,
    Unavailable,
)
from munjigi_client._types import Decision, FieldDecision, Observation, Permission, Question, StepUp, Whoami

__version__ = "0.1.0"

__all__ = [
    "TLS",
    "Access",
    "AsyncClient",
    "Client",
    "ConfigurationError",
    "ConfirmationsLost",
    "Decision",
    "Denied",
    "FieldDecision",
    "InvalidRequest",
    "MunjigiClientError",
    "NotAuthenticated",
    "NotFound",
    "NotNow",
    "NotPermitted",
    "Observation",
    "Permission",
    "Question",
    "RateLimited",
    "ServerFault",
    "StepUp",
    "Unavailable",
    "Whoami",
]
