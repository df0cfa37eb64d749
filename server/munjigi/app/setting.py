"""What one setting is: its type, default, bounds and meaning; and how a value is read for it, wherever the value comes from.

Texts are taken for numbers and truth values, as variables and options can't say it otherwise; what a variable says of a list is JSON.
What a refusal says is made out of the type and the bounds, and never repeats the value.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")
_META: Final = "meta"
# What people write for truth values.
_TRUTH: Final = {
    **dict.fromkeys(("true", "1", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("false", "0", "no", "n", "off", "f"), False),
}
_NAMES: Final[dict[Any, str]] = {
    bool: "yes or no (true, false)",
    int: "a whole number",
    float: "a number",
    str: "a text of one line",
    Path: "a path",
}
_EACH: Final[dict[Any, str]] = {int: "whole numbers, such as [14, 3]", str: 'texts, such as ["one", "other"]'}


class Networks(tuple[IPv4Network | IPv6Network, ...]):
    """Networks of addresses, without host bits."""

    __slots__ = ()


class Setting(NamedTuple):
    """One setting. `kind` is its type, `bounded` the same with its bounds, as msgspec has them."""

    name: str
    kind: Any
    bounded: Any
    default: Any
    description: str

    @property
    def listed(self) -> bool:
        """Tell whether it takes several values."""
        return self.kind is Networks or typing.get_origin(self.kind) is tuple

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the words that it is one of; none where it isn't."""
        return typing.get_args(self.kind) if typing.get_origin(self.kind) is typing.Literal else ()


def setting(default: T, *, description: str, **bounds: Any) -> T:
    """Declare a setting, as a field of a dataclass. `bounds` are those of `msgspec.Meta`: ge, gt, le, lt, pattern."""
    field: Any = dataclasses.field(default=default, metadata={_META: msgspec.Meta(description=description, **bounds)})
    return typing.cast("T", field)


def settings_of(kind: type[Any]) -> dict[str, Setting]:
    """Return the settings that a dataclass declares, by name, in its order."""
    kinds = typing.get_type_hints(kind)
    return {
        each.name: Setting(
            each.name,
            kinds[each.name],
            Annotated[kinds[each.name], each.metadata[_META]],
            each.default,
            each.metadata[_META].description,
        )
        for each in dataclasses.fields(kind)
    }


def read_text(one: Setting, text: str) -> Any:
    """Read what a variable says. Raises `ValueError` that says what the setting takes."""
    if not one.listed:
        return read_value(one, text)
    try:
        return read_value(one, msgspec.json.decode(text))
    except msgspec.DecodeError:
        raise ValueError(f"it takes {takes(one)}; in the variable, that is a JSON list") from None


def read_value(one: Setting, value: Any) -> Any:
    """Read a value of a file or of an option. Raises `ValueError` that says what the setting takes."""
    if one.kind is bool and isinstance(value, str):
        value = _TRUTH.get(value.strip().lower(), value)
    try:
        # Texts may be numbers, but no text is a missing path.
        found = msgspec.convert(value, one.bounded, strict=Path in typing.get_args(one.kind), dec_hook=_made)
    except msgspec.ValidationError:
        found = math.nan
    if (isinstance(found, float) and not math.isfinite(found)) or (isinstance(found, str) and "\n" in found):
        raise ValueError(f"it takes {takes(one)}")
    return found


def takes(one: Setting) -> str:
    """Say what a setting takes."""
    if one.choices:
        return f"one of: {', '.join(one.choices)}"
    if one.kind is Networks:
        return 'a list of networks without host bits, such as ["10.0.5.0/24"]'
    if one.listed:
        return f"a list of {_EACH[typing.get_args(one.kind)[0]]}"
    kind = next((each for each in typing.get_args(one.kind) if each is not NoneType), one.kind)
    meta = typing.get_args(one.bounded)[1]
    pattern = f" that matches {meta.pattern}" if meta.pattern else ""
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", meta.ge), ("above", meta.gt), ("at most", meta.le), ("below", meta.lt))
        if bound is not None
    ]
    return f"{_NAMES[kind]}{pattern}{', ' if bounds else ''}{' and '.join(bounds)}"


def schema_of(one: Setting) -> dict[str, Any]:
    """Describe a setting in JSON Schema."""
    return {"default": plain(one.default), **msgspec.json.schema(one.bounded, schema_hook=_SCHEMA.__getitem__)}


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return msgspec.to_builtins(value, enc_hook=str)


_SCHEMA: Final[dict[type, dict[str, Any]]] = {
    Path: {"type": "string", "format": "path"},
    Networks: {"type": "array", "items": {"type": "string", "format": "ipvanynetwork"}},
}


def _made(kind: type[Any], value: Any) -> Any:
    """Make what msgspec has no type for. Raises what becomes its `ValidationError`."""
    if kind is Networks:
        if isinstance(value, str):
            raise TypeError
        return Networks(ip_network(each) for each in value)
    return kind(value)
