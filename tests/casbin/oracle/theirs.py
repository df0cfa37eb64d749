"""pycasbin's side: an Enforcer made from texts, in this process. What it raises becomes a word."""

from __future__ import annotations

import casbin
from casbin import util
from casbin.core_enforcer import EnforceContext
from casbin.model import Model
from casbin.persist.adapter import Adapter, load_policy_line


class _Lines(Adapter):
    """Read a policy the way its FileAdapter does, line by line, without a file."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")

    def load_policy(self, model: Model) -> None:
        for line in self._lines:
            load_policy_line(line.strip(), model)


class Theirs:
    """Raises whatever pycasbin raises while loading. `bounds`: register what checks time bounds, which it doesn't by itself (D3)."""

    def __init__(self, model: str, policy: str, suffix: str = "", *, bounds: bool = True) -> None:
        parsed = Model()
        parsed.load_model_from_text(model)
        self.enforcer = casbin.Enforcer(parsed, _Lines(policy))
        # pycasbin has these and doesn't register them.
        self.enforcer.add_function("keyGet", util.key_get)
        self.enforcer.add_function("keyGet2", util.key_get2)
        self.enforcer.add_function("keyGet3", util.key_get3)
        for name, definition in (parsed["g"] or {}).items():
            if definition.params_tokens and bounds:
                self._bind(name, len(definition.tokens) > 2)
        self._context = [EnforceContext(f"r{suffix}", f"p{suffix}", f"e{suffix}", f"m{suffix}")] if suffix else []

    def _bind(self, name: str, domains: bool) -> None:
        """Register, link by link, what checks time bounds."""
        for child, parent, *more in self.enforcer.get_model()["g"][name].policy:
            if domains:
                self.enforcer.add_named_domain_link_condition_func(name, child, parent, more[0], util.time_match_func)
            else:
                self.enforcer.add_named_link_condition_func(name, child, parent, util.time_match_func)

    def ask(self, request: tuple[object, ...]) -> str:
        """Return `allow`, `deny`, or `error` for any exception."""
        try:
            return "allow" if self.enforcer.enforce(*self._context, *request) else "deny"
        except Exception:  # noqa: BLE001 - whatever it raises, it did not answer
            return "error"

    def error(self, request: tuple[object, ...]) -> str:
        """Return what pycasbin raises for this request, to show in a report."""
        try:
            self.enforcer.enforce(*self._context, *request)
        except Exception as error:  # noqa: BLE001 - shown, not handled
            return repr(error)
        return ""
