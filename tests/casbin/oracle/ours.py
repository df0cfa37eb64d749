"""Our side, asked in the same words as theirs."""

from __future__ import annotations

import time

from munjigi.decision.casbin import Engine
from munjigi.kernel.errors import InvalidArgument
from munjigi.policy.casbin.load import load


class Refused(Exception):
    """The model or the policy was refused, with these problem codes."""

    def __init__(self, codes: frozenset[str], text: str) -> None:
        super().__init__(text)
        self.codes = codes


class Ours:
    """Raises `Refused`. Anything but our own errors passes through: it is a defect."""

    def __init__(self, model: str, policy: str, suffix: str = "") -> None:
        program, problems = load(model.encode(), policy.encode(), asked=f"m{suffix}")
        if program is None:
            errors = [each for each in problems if each.severity == "error"]
            shown = "; ".join(f"{each.file}:{each.line}:{each.column} {each.code} {each.message}" for each in errors)
            raise Refused(frozenset(each.code for each in errors), shown)
        self.engine = Engine(program, now=time.time_ns())
        self._suffix = suffix

    def ask(self, request: tuple[object, ...]) -> str:
        """Return `allow`, `deny`, or `error` for a request that can't be evaluated."""
        try:
            if self._suffix:
                return "allow" if self.engine.enforce_ex(self._suffix, request)[0] else "deny"
            return "allow" if self.engine.enforce(request) else "deny"
        except InvalidArgument:
            return "error"
