"""A User as SCIM has it, and what Munjigi keeps of one: who it is, whether it is active, department and manager.

Names, mail and the like are taken without complaint, as providers send them, and forgotten. Nothing is stored for SCIM alone but
the directory's own name of the account: it is an account under an issuer that nobody signs in with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from munjigi.adapters.scim.refusals import Refused
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import DIRECTORY_ISSUER, EmployeeKey

AccountAttribute = Literal["userName", "externalId"]
CORE: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
BASE: Final = "/scim/v2"
_UNNAMED: Final = "#unnamed:"  # before the person's id, where the directory gave no other name
_LONGEST: Final = 128  # bytes
_TRUTH: Final = {"true": True, "false": False}
# Attributes of RFC 7643, 4.1 and 4.3, that are taken and forgotten.
FORGOTTEN: Final = frozenset(
    (
        *("name", "displayname", "nickname", "profileurl", "title", "usertype", "preferredlanguage", "locale", "timezone"),
        *("password", "emails", "phonenumbers", "ims", "photos", "addresses", "groups", "entitlements", "roles"),
        *("x509certificates", "costcenter", "organization", "division", "schemas", "meta"),
    )
)


class User(NamedTuple):
    """What counts of a user. None: not said. `employee_number` is the key of the person."""

    user_name: str | None = None
    external_id: str | None = None
    active: bool | None = None
    department: str | None = None
    manager: str | None = None
    employee_number: str | None = None

    def overlaid(self, said: Mapping[str, Any]) -> User:
        """Return the user with what is said; what is None stays as it is."""
        return self._replace(**{name: value for name, value in said.items() if value is not None})

    def account(self, attribute: AccountAttribute) -> str:
        """Return the subject of the account that signs in. Raises `Refused` when it is not said."""
        subject = self.user_name if attribute == "userName" else self.external_id
        if not subject:
            raise Refused("invalidValue", f"`{attribute}` is missing: it is the subject of the account.")
        return subject

    def other(self, attribute: AccountAttribute) -> str:
        """Return the directory's other name of the account; empty when there is none."""
        return (self.external_id if attribute == "userName" else self.user_name) or ""


FIELDS: Final[Mapping[str, str]] = {
    "username": "user_name",
    "externalid": "external_id",
    "active": "active",
    "department": "department",
    "manager": "manager",
    "employeenumber": "employee_number",
}


def value_of(field: str, value: object) -> str | bool:
    """Return a value of one of the `FIELDS` as we keep it. Raises `Refused`.

    `null` is nothing. Entra ID sends truth as text, and single values as `[{"value": ...}]`.
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict):
        value = {str(name).lower(): each for name, each in value.items()}.get("value")
    if field == "active":
        truth = value if isinstance(value, bool) else _TRUTH.get(value.lower()) if isinstance(value, str) else None
        if truth is None:
            raise Refused("invalidValue", "`active` is true or false.")
        return truth
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value.encode("utf-8", "replace")) > _LONGEST:
        raise Refused("invalidValue", f"A value of this kind is a text of at most {_LONGEST} bytes.")
    return value.strip()


def user_of(body: object) -> User:
    """Read a whole User; attributes that we don't keep are forgotten. Raises `Refused`."""
    if not isinstance(body, dict):
        raise Refused("invalidSyntax", "The body is a User as a JSON object.")
    return User(**values_of(body))


def values_of(body: dict[Any, Any]) -> dict[str, Any]:
    """Return what counts of an object of attributes, the extension's inside it or by their full names."""
    found: dict[str, Any] = {}
    for name, value in body.items():
        key = str(name).lower()
        if key == ENTERPRISE.lower() and isinstance(value, dict):
            found |= values_of(value)
            continue
        key = plain(key).removesuffix(".value")
        if key in FIELDS:
            found[FIELDS[key]] = value_of(key, value)
    return found


def plain(name: str) -> str:
    """Return an attribute's name in small letters, without the schema's before it."""
    small = name.lower()
    for schema in (CORE, ENTERPRISE):
        small = small.removeprefix(f"{schema.lower()}:")
    return small


def shown(person: Person, issuer: str, attribute: AccountAttribute) -> User | None:
    """Return a person as the directory knows one; None when it does not."""
    subject = next((account.subject for account in person.accounts if account.issuer == issuer), None)
    other = next((account.subject for account in person.accounts if account.issuer == DIRECTORY_ISSUER), None)
    if subject is None or other is None:
        return None
    other = "" if other.startswith(_UNNAMED) else other
    user_name, external_id = (subject, other) if attribute == "userName" else (other or subject, subject)
    return User(user_name, external_id, person.status != "left", person.department, person.manager, person.person_id)


def directory_account(person_id: str, other: str) -> EmployeeKey:
    """Return the account under which the directory knows a person."""
    return EmployeeKey(DIRECTORY_ISSUER, other or f"{_UNNAMED}{person_id}")


def resource_of(person_id: str, user: User) -> dict[str, Any]:
    """Write a User down, with its version: equal users have equal versions."""
    more = {"department": user.department, "manager": {"value": user.manager} if user.manager else None}
    extension = {"employeeNumber": user.employee_number, **{name: each for name, each in more.items() if each}}
    resource: dict[str, Any] = {
        "schemas": [CORE, ENTERPRISE],
        "id": person_id,
        **({"externalId": user.external_id} if user.external_id else {}),
        "userName": user.user_name,
        "active": user.active,
        ENTERPRISE: extension,
        "meta": {"resourceType": "User", "location": f"{BASE}/Users/{person_id}", "version": version_of(user)},
    }
    return resource


def version_of(user: User) -> str:
    """Return the entity tag of a user."""
    return f'W/"{hashlib.sha256(repr(tuple(user)).encode("utf-8", "surrogatepass")).hexdigest()[:20]}"'
