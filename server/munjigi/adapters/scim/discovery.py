"""What this server can do, as documents (RFC 7643, 5 to 7)."""

from __future__ import annotations

from typing import Any, Final

from munjigi.adapters.scim.users import BASE, CORE, ENTERPRISE

LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PAGE: Final = 200
_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0"

CONFIG: Final[dict[str, Any]] = {
    "schemas": [f"{_SCHEMA}:ServiceProviderConfig"],
    "patch": {"supported": True},
    "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
    "filter": {"supported": True, "maxResults": PAGE},
    "changePassword": {"supported": False},
    "sort": {"supported": False},
    "etag": {"supported": True},
    "authenticationSchemes": [
        {"type": "oauthbearertoken", "name": "Bearer token", "description": "The token of MUNJIGI_SCIM_TOKEN.", "primary": True}
    ],
    "meta": {"resourceType": "ServiceProviderConfig", "location": f"{BASE}/ServiceProviderConfig"},
}
TYPES: Final[list[dict[str, Any]]] = [
    {
        "schemas": [f"{_SCHEMA}:ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "A person's account.",
        "schema": CORE,
        "schemaExtensions": [{"schema": ENTERPRISE, "required": False}],
        "meta": {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"},
    }
]


def _attribute(name: str, description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """Describe an attribute. All compare with case, as accounts do."""
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": description,
        "required": False,
        "caseExact": True,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": "none",
        **more,
    }


def _schema(urn: str, name: str, attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemas": [f"{_SCHEMA}:Schema"],
        "id": urn,
        "name": name,
        "description": "What is kept; other attributes of RFC 7643 are accepted and forgotten.",
        "attributes": attributes,
        "meta": {"resourceType": "Schema", "location": f"{BASE}/Schemas/{urn}"},
    }


SCHEMAS: Final = [
    _schema(
        CORE,
        "User",
        [
            _attribute("userName", "The directory's name of the account.", required=True, uniqueness="server"),
            _attribute("externalId", "The directory's id of the account.", uniqueness="server"),
            _attribute("active", "False: the person has left, and everything that hangs on the person ends.", "boolean"),
        ],
    ),
    _schema(
        ENTERPRISE,
        "EnterpriseUser",
        [
            _attribute("employeeNumber", "The personnel number: the person's key, from the beginning.", mutability="immutable"),
            _attribute("department", "Department, as roles.toml names it."),
            _attribute(
                "manager",
                "The manager.",
                "complex",
                subAttributes=[_attribute("value", "`id` of the manager.")],
            ),
        ],
    ),
]


def listing(resources: list[dict[str, Any]], total: int, start: int = 1) -> dict[str, Any]:
    """Return a page."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "startIndex": start,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }
