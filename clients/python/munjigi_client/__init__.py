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
from munjigi_client._reviews import (
    Excess,
    LogClosing,
    LookedAt,
    PermissionUse,
    Planned,
    Progress,
    Review,
    ReviewException,
    ReviewItem,
)
from munjigi_client._rights import AccessRequest, Asked, Changed, Decided, Grant, Taken, Vote
from munjigi_client._types import AccessOption, Decision, FieldDecision, Observation, Permission, Question, StepUp, Whoami

__version__ = "0.1.0"

__all__ = [
    "TLS",
    "Access",
    "AccessOption",
    "AccessRequest",
    "Asked",
    "AsyncClient",
    "Changed",
    "Client",
    "ConfigurationError",
    "ConfirmationsLost",
    "Decided",
    "Decision",
    "Denied",
    "Excess",
    "FieldDecision",
    "Grant",
    "InvalidRequest",
    "LogClosing",
    "LookedAt",
    "MunjigiClientError",
    "NotAuthenticated",
    "NotFound",
    "NotNow",
    "NotPermitted",
    "Observation",
    "Permission",
    "PermissionUse",
    "Planned",
    "Progress",
    "Question",
    "RateLimited",
    "Review",
    "ReviewException",
    "ReviewItem",
    "ServerFault",
    "StepUp",
    "Taken",
    "Unavailable",
    "Vote",
    "Whoami",
]
