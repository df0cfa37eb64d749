"""The shipped matcher, written down as plainly as model.conf states it: a second opinion on the compiled core.

    m = g(r.sub, p.sub) && (g2(r.obj, p.obj) || keyMatch(r.obj, p.obj)) && (p.act == "*" || r.act == p.act)
        && (p.purpose == "*" || r.purpose == p.purpose) && eval(p.cond)
    e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

It reads policy.csv itself and walks every rule of the roles held. Only masks and conditions are the core's.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict

from munjigi.policy.conditions import translate
from munjigi.policy.types import Context, PolicyBundle


class Transcription:
    """The rows of one bundle's policy.csv, each with its line."""

    def __init__(self, bundle: PolicyBundle) -> None:
        text = io.StringIO(bundle.files["policy.csv"].decode(), newline="")
        reader = csv.reader(("" if line.lstrip().startswith("#") else line for line in text), skipinitialspace=True)
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
        self.p = defaultdict[str, list[tuple[int, list[str]]]](list)
        for line, row in rows:
            if row[0] == "p":
                self.p[row[1]].append((line, row[2:]))
        self.g = [(row[1], row[2]) for _, row in rows if row[0] == "g"]
        self.g2 = {(row[1], row[2]) for _, row in rows if row[0] == "g2"}
        self.rank = {**bundle.catalog.mask_rank, "clear": 1 << 30, "denied": -1}

    def read(self, sub: str, roles: frozenset[str], obj: str, act: str, why: str, ctx: Context) -> tuple[str, tuple[int, ...]]:
        """Return mask, `clear` or `denied`, and the lines of the rules that match. `roles` are those that grants give."""
        held = set(roles)
        while above := {other for one, other in self.g if one in held} - held:
            held |= above
        shown, denied, lines = "denied", False, []
        for line, (p_obj, p_act, p_purpose, p_cond, p_eft, p_mask) in sorted(row for role in held for row in self.p[role]):
            matches = (obj, p_obj) in self.g2 or key_match(obj, p_obj)
            if matches and p_act in ("*", act) and p_purpose in ("*", why):
                condition = translate(p_cond, allow=p_eft == "allow")
                if condition is None or condition(sub, obj, act, why, ctx):
                    lines.append(line)
                    denied = denied or p_eft == "deny"
                    shown = max(shown, p_mask, key=self.rank.__getitem__) if p_eft == "allow" else shown
        return "denied" if denied else shown, tuple(lines)


def key_match(key: str, pattern: str) -> bool:
    """Casbin's keyMatch: everything before the first `*` must be equal, whatever follows it."""
    return key.startswith(pattern.partition("*")[0]) if "*" in pattern else key == pattern
