"""pycasbin in a process of its own: reads one JSON document, answers a line a question, as far as it gets.

    python -m munjigi.adapters.casbin_child

In: `model` (text), `p`, `g`, `g2` (cells without the type), `masks` (from most to least revealing), `questions` (subject, roles,
obj, act, purpose, ctx). Out: first `ready` (or `missing` without pycasbin), then for each question `clear`, a mask, `denied`, or
`?` where pycasbin raises. pycasbin has no masks: each mask is asked about with the rules of that mask and all denying ones.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any, Final

_EFT, _MASK = 5, 6
_DENIED: Final = "denied"


class _Engines:
    """One enforcer with all rules, and one for each mask, made when it is needed."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked
        self._made: dict[str, Any] = {}

    def answer(self, subject: str, roles: list[str], question: tuple[Any, ...]) -> str:
        """Return the most revealing mask under which the question is allowed."""
        if not self._allows("", subject, roles, question):
            return _DENIED
        return next((mask for mask in self._asked["masks"] if self._allows(mask, subject, roles, question)), _DENIED)

    def _allows(self, mask: str, subject: str, roles: list[str], question: tuple[Any, ...]) -> bool:
        enforcer = self._made.get(mask)
        if enforcer is None:
            enforcer = self._made[mask] = self._enforcer(mask)
        if not enforcer.get_policy():  # of an empty policy pycasbin takes the matcher for true (defect D8)
            return False
        links = [[subject, role] for role in roles]
        enforcer.add_named_grouping_policies("g", links)
        try:
            return bool(enforcer.enforce(subject, *question))
        finally:
            enforcer.remove_named_grouping_policies("g", links)

    def _enforcer(self, mask: str) -> Any:
        import casbin  # noqa: PLC0415 - an optional extra
        from casbin.model import Model  # noqa: PLC0415
        from casbin.persist.adapter import Adapter  # noqa: PLC0415

        asked = self._asked
        rules = [row for row in asked["p"] if row[_EFT] == "deny" or mask in ("", row[_MASK])]

        class Rows(Adapter):  # type: ignore[misc] # pycasbin has no types
            def load_policy(self, model: Any) -> None:
                # Row by row it would look through all others for each.
                for section, key, rows in (("p", "p", rules), ("g", "g", asked["g"]), ("g", "g2", asked["g2"])):
                    model[section][key].policy.extend([list(row) for row in rows])

        model = Model()
        model.load_model_from_text(asked["model"])
        enforcer = casbin.Enforcer(model, Rows())
        enforcer.enable_auto_save(False)  # links of a question are taken back, and this adapter keeps nothing
        return enforcer


def main() -> int:
    """Answer what stands on standard input."""
    try:
        import casbin  # noqa: F401, PLC0415
    except ImportError:
        print("missing")  # noqa: T201 - the answer is the output
        return 0
    print("ready", flush=True)  # noqa: T201
    asked = json.load(sys.stdin)
    engines = _Engines(asked)
    for each in asked["questions"]:
        # What is not known is left out, so that a condition on it raises instead of taking None for false.
        context = SimpleNamespace(**{name: value for name, value in each["ctx"].items() if value is not None})
        try:
            answer = engines.answer(each["subject"], each["roles"], (each["obj"], each["act"], each["purpose"], context))
        except Exception:  # noqa: BLE001 - whatever it raises, there is no answer to compare
            answer = "?"
        print(answer, flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
