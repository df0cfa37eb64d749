"""PATCH: operations become one user, in all the forms in which providers send them (RFC 7644, 3.5.2)."""

from __future__ import annotations

import re
from typing import Any, Final

from munjigi.adapters.scim.refusals import Refused
from munjigi.adapters.scim.users import CORE, ENTERPRISE, FIELDS, FORGOTTEN, User, plain, value_of, values_of

_MOST: Final = 100
# attribute, then a filter in brackets, then a sub-attribute; the schema's name before it has been taken off.
_PATH: Final = re.compile(r"([a-z$][\w$-]*)(\[[^\[\]]{1,500}\])?(?:\.([a-z$][\w$-]*))?\Z", re.ASCII)
_IN_BRACKETS: Final = re.compile(r'\[\s*[a-z$][\w.$-]*\s+[a-z]{2}\s+("[^"]*"|true|false)\s*\]\Z', re.ASCII)
_REQUIRED: Final = frozenset(("username", "active"))


def patched(user: User, body: object) -> User:
    """Return the user after the operations of a PATCH body. Raises `Refused`."""
    operations = {str(name).lower(): each for name, each in body.items()}.get("operations") if isinstance(body, dict) else None
    if not isinstance(operations, list) or not 0 < len(operations) <= _MOST:
        raise Refused("invalidSyntax", f"A PATCH has 1 to {_MOST} `Operations`.")
    for operation in operations:
        if not isinstance(operation, dict):
            raise Refused("invalidSyntax", "An operation is an object with `op`, `path` and `value`.")
        user = _apply(user, {str(name).lower(): each for name, each in operation.items()})
    return user


def _apply(user: User, operation: dict[str, Any]) -> User:
    op, path = operation.get("op"), operation.get("path")
    if not isinstance(op, str) or op.lower() not in ("add", "replace", "remove"):
        raise Refused("invalidSyntax", "`op` is add, replace or remove.")
    removes = op.lower() == "remove"
    if path is None or path == "" or (isinstance(path, str) and path.lower() in (CORE.lower(), ENTERPRISE.lower())):
        if removes:
            raise Refused("noTarget", "`remove` needs the `path` of an attribute.")
        value = operation.get("value")
        if not isinstance(value, dict):
            raise Refused("invalidValue", "Without a path to an attribute, `value` is an object of attributes.")
        return user.overlaid(values_of(value))
    name = _attribute(path)
    if not name:
        return user
    if removes:
        if name in _REQUIRED:
            raise Refused("mutability", "A required attribute can't be removed; replace it.")
        return user.overlaid({FIELDS[name]: ""})
    if "value" not in operation:
        raise Refused("invalidValue", "The operation has no `value`.")
    return user.overlaid({FIELDS[name]: value_of(name, operation["value"])})


def _attribute(path: object) -> str:
    """Return the attribute that a path leads to; empty for one that is forgotten. Raises `Refused`."""
    found = _PATH.match(plain(path)) if isinstance(path, str) else None
    if found is None:
        raise Refused("invalidPath", 'A path is an attribute, `attribute.sub` or `attribute[type eq "work"].sub`.')
    name, chosen, sub = found.groups()
    if chosen and _IN_BRACKETS.match(chosen) is None:
        raise Refused("invalidFilter", 'In brackets stands one comparison, for example `type eq "work"`.')
    if name == "id":
        raise Refused("mutability", "`id` never changes.")
    if name in FORGOTTEN:
        return ""
    if name not in FIELDS or chosen or (sub and (name, sub) != ("manager", "value")):
        if (name, sub) in (("manager", "displayname"), ("manager", "$ref")) and not chosen:
            return ""
        raise Refused("invalidPath", "A User has no such attribute; /scim/v2/Schemas lists those that it has.")
    return name
