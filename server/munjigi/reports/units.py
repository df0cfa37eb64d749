"""Numbers as Grafana's units show them, for people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

_TIMES: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_SIZES: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_COUNTS: Final = ((1e9, " G"), (1e6, " M"), (1e4, " k"))


def shown(value: float, unit: str) -> str:
    """Show a value in a unit: `short`, `percentunit`, `s`, `cps`, `bytes`, `Bps`."""
    return _UNITS[unit](value)


def axis_name(unit: str) -> str:
    """Return what stands at the axis of a unit; empty where each number says it."""
    return {"cps": "a second", "percentunit": "share", "short": "number"}.get(unit, "")


def _number(value: float) -> str:
    for size, name in _COUNTS:
        if abs(value) >= size:
            return f"{value / (1e3 if name == ' k' else size):.3g}{name}"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.3g}"


def _scaled(sizes: tuple[tuple[float, str], ...], value: float) -> str:
    if value == 0:
        return "0"
    size, name = next((each for each in sizes if abs(value) >= each[0]), sizes[-1])
    return f"{value / size:.3g} {name}"


def _share(value: float) -> str:
    return f"{100 * value:.3g} %"


_UNITS: Final[dict[str, Callable[[float], str]]] = {
    "short": _number,
    "cps": _number,
    "percentunit": _share,
    "s": lambda value: _scaled(_TIMES, value),
    "bytes": lambda value: _scaled(_SIZES, value),
    "Bps": lambda value: f"{_scaled(_SIZES, value)}/s",
}
