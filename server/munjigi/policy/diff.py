"""Who gains and who loses which columns between two bundles: exact, on the closures, for every holder of every role.

A cell is (held role, target, action, purpose). Two bundles can differ only in cells that a changed rule, a changed role link
or a changed classification reaches; these are all looked at, in both, and nothing is sampled. What a cell says is written in a
canonical form (`View`), in which conditions are opaque texts, so that equal rules in another order are no difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from itertools import product
from typing import Any, Final, Literal, NamedTuple

from munjigi.policy.types import ANY, CLEAR, DATA_ACTIONS, OWN_ACTIONS, OWN_RESOURCES, PolicyBundle, Rule

Change = Literal["gains", "loses", "changes"]
ALWAYS: Final = "True"
DENIED: Final = "denied"
_TOP: Final = 1 << 30
_Cell = tuple[str, str, str, str]
_Key = tuple[str, str, str, str, bool, str]
_Said = tuple[bool, str, str]  # what a rule says of a cell: whether it allows, its mask, its condition


class View(NamedTuple):
    """What a role's rules say on one cell. `denies` are conditions; `allows` are masks with theirs, most revealing first."""

    denies: tuple[str, ...]
    allows: tuple[tuple[str, tuple[str, ...]], ...]

    def best(self) -> str:
        """Return the mask, `clear` or `denied` that is seen when every condition goes the holder's way."""
        return DENIED if ALWAYS in self.denies or not self.allows else self.allows[0][0]

    def worst(self) -> str:
        """Return what is seen when every condition goes against the holder."""
        return next((mask for mask, conditions in self.allows if ALWAYS in conditions), DENIED) if not self.denies else DENIED

    def __str__(self) -> str:
        if ALWAYS in self.denies:
            return DENIED
        parts = [mask if ALWAYS in held else f"{mask} if {_either(held)}" for mask, held in self.allows]
        text = ", else ".join(parts) or "nothing"
        return f"{text}; denied if {_either(self.denies)}" if self.denies else text


class Difference(NamedTuple):
    """One cell that a holder of `role` sees differently. `conditional`: place, time or device may change what is seen."""

    change: Change
    role: str
    object: str
    action: str
    purpose: str
    before: View
    after: View

    @property
    def conditional(self) -> bool:
        """Tell whether a condition decides before or after."""
        return any(view.best() != view.worst() for view in (self.before, self.after))


class Setting(NamedTuple):
    """Something else that differs: of a role, tool, purpose or table. `key` is empty when the whole of it came or went."""

    kind: str
    name: str
    key: str
    before: str
    after: str


NOTHING: Final = View((), ())


def compare(before: PolicyBundle, after: PolicyBundle) -> list[Difference]:
    """Return every cell that differs, by role, purpose, action and target."""
    found: list[Difference] = []
    rank = _ranks(after)
    was, now = Views(before), Views(after)
    for role, target, action, purpose in _suspects(before, after):
        old, new = was.of(role, target, action, purpose), now.of(role, target, action, purpose)
        if old != new:
            found.append(Difference(_direction(old, new, rank), role, target, action, purpose, old, new))
    return sorted(found, key=lambda each: (each.role, each.purpose, each.action, each.object))


class Views:
    """What the roles of one bundle see. Many cells have the same rules, and many say the same: both are found once."""

    def __init__(self, bundle: PolicyBundle) -> None:
        self._bundle = bundle
        self._rank = _ranks(bundle)
        self._buckets: dict[tuple[str, str, str], tuple[Mapping[str, tuple[Rule, ...]], ...]] = {}
        self._views: dict[tuple[_Said, ...], View] = {}

    def of(self, role: str, target: str, action: str, purpose: str) -> View:
        """Return what the rules of `role` and all that it brings say on one cell; nothing where a name is not known."""
        key = (target, action, purpose)
        buckets = self._buckets.get(key)
        if buckets is None:
            buckets = self._buckets[key] = self._matching(*key)
        if not buckets:
            return NOTHING
        found: dict[_Said, None] = {}
        reached = self._bundle.closure.get(role, ())
        for bucket in buckets:
            for way in reached:
                for rule in bucket.get(way.role, ()):
                    found[rule.allow, rule.mask, rule.cond] = None
        said = tuple(found)
        view = self._views.get(said)
        if view is None:
            view = self._views[said] = _canonical(said, self._rank) if said else NOTHING
        return view

    def _matching(self, target: str, action: str, purpose: str) -> tuple[Mapping[str, tuple[Rule, ...]], ...]:
        bundle = self._bundle
        if purpose not in bundle.purposes:
            return ()
        cells = product(bundle.objects.get(target, ()), (action, ANY), (purpose, ANY))
        return tuple(bucket for cell in cells if (bucket := bundle.index.get(cell)))


def settings(before: PolicyBundle, after: PolicyBundle) -> list[Setting]:
    """Return what differs around the rules: requirements, owners, tools, purposes, tables and masks."""
    found: list[Setting] = []
    for kind, old, new in (
        ("role", before.roles, after.roles),
        ("tool", before.tools, after.tools),
        ("purpose", before.purposes, after.purposes),
        ("table", before.catalog.tables, after.catalog.tables),
        ("class", before.catalog.masks, after.catalog.masks),
    ):
        found += _settings(kind, old, new)
    wanted, wants = before.catalog.sign_in, after.catalog.sign_in
    for name in sorted(wanted.keys() | wants.keys()):
        was, now = (_shown(side.get(name) or "whichever") for side in (wanted, wants))
        if was != now:
            found.append(Setting("class", name, "sign_in", was, now))
    one, other = before.calendar, after.calendar
    if one.zone != other.zone:
        found.append(Setting("calendar", "zone", "", one.zone, other.zone))
    if one.holidays != other.holidays:
        gone, come = (_shown(days) for days in (one.holidays - other.holidays, other.holidays - one.holidays))
        found.append(Setting("calendar", "holidays", "", gone, come))
    return found


def _canonical(said: Iterable[_Said], rank: Mapping[str, int]) -> View:
    denies = {cond for allow, _, cond in said if not allow}
    if ALWAYS in denies:
        return View((ALWAYS,), ())
    allows: dict[str, set[str]] = {}
    for allow, mask, cond in said:
        if allow:
            allows.setdefault(mask, set()).add(cond)
    kept: list[tuple[str, tuple[str, ...]]] = []
    used = set(denies)  # where the same condition denies, or already shows more, it adds nothing
    for mask in sorted(allows, key=lambda each: -rank.get(each, -1)):
        conditions = allows[mask] - used
        if ALWAYS in conditions:
            kept.append((mask, (ALWAYS,)))
            break
        if conditions:
            kept.append((mask, tuple(sorted(conditions))))
            used |= conditions
    return View(tuple(sorted(denies)), tuple(kept))


def _direction(old: View, new: View, rank: Mapping[str, int]) -> Change:
    low = (rank.get(old.worst(), -1), rank.get(old.best(), -1))
    high = (rank.get(new.worst(), -1), rank.get(new.best(), -1))
    if low == high:
        # A deny that shows nothing here still takes from those who hold another role, too.
        more, fewer = set(new.denies) > set(old.denies), set(new.denies) < set(old.denies)
        return "loses" if more and new.allows == old.allows else "gains" if fewer and new.allows == old.allows else "changes"
    if high[0] >= low[0] and high[1] >= low[1]:
        return "gains"
    return "loses" if high[0] <= low[0] and high[1] <= low[1] else "changes"


def _ranks(bundle: PolicyBundle) -> Mapping[str, int]:
    return {**bundle.catalog.mask_rank, CLEAR: _TOP}


def _suspects(before: PolicyBundle, after: PolicyBundle) -> set[_Cell]:
    """Return a superset of the cells that differ."""
    sides = (before, after)
    places = [_places(bundle) for bundle in sides]
    rules = [_by_sub(bundle.rules) for bundle in sides]
    purposes = tuple(dict.fromkeys((*before.purposes, *after.purposes)))
    cells: set[_Cell] = set()

    def add(role: str, keys: Iterable[_Key], only: Callable[[str, str], bool] = lambda _, __: True) -> None:
        for obj, act, purpose, *_ in keys:
            for target in {**places[0].get(obj, {}), **places[1].get(obj, {})}:
                for why in purposes if purpose == ANY else (purpose,):
                    if only(target, why):
                        cells.update((role, target, each, why) for each in (_actions(target) if act == ANY else (act,)))

    none: frozenset[_Key] = frozenset()
    changed = {
        sub: rules[0].get(sub, none) ^ rules[1].get(sub, none)
        for sub in rules[0].keys() | rules[1].keys()
        if rules[0].get(sub) != rules[1].get(sub)
    }
    moved = _moved(before, after)
    renamed = before.purposes.keys() ^ after.purposes.keys()
    for role in before.closure.keys() | after.closure.keys():
        held = [{way.role for way in bundle.closure.get(role, ())} for bundle in sides]
        for sub in held[0] & held[1]:
            if sub in changed:
                add(role, changed[sub])
        for sub in held[0] - held[1]:
            add(role, rules[0].get(sub, none))
        for sub in held[1] - held[0]:
            add(role, rules[1].get(sub, none))
        if moved or renamed:
            for side in (0, 1):
                for sub in held[side]:
                    add(role, rules[side].get(sub, none), lambda target, why: target in moved or why in renamed)
    return cells


def _moved(before: PolicyBundle, after: PolicyBundle) -> set[str]:
    """Return the targets that other rules apply to than before; all of them when masks reveal in another order."""
    targets = before.objects.keys() | after.objects.keys()
    if before.catalog.mask_rank != after.catalog.mask_rank:
        return targets
    return {each for each in targets if set(before.objects.get(each, ())) != set(after.objects.get(each, ()))}


def _places(bundle: PolicyBundle) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for target, objects in bundle.objects.items():
        for obj in objects:
            found[obj][target] = None
    return found


def _by_sub(rules: Iterable[Rule]) -> dict[str, frozenset[_Key]]:
    building: dict[str, list[_Key]] = defaultdict(list)
    for rule in rules:
        building[rule.sub].append((rule.obj, rule.act, rule.purpose, rule.cond, rule.allow, rule.mask))
    return {sub: frozenset(keys) for sub, keys in building.items()}


def _actions(target: str) -> tuple[str, ...]:
    return OWN_ACTIONS if target in OWN_RESOURCES else DATA_ACTIONS


def _settings(kind: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Setting]:
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            yield Setting(kind, name, "", "absent" if one is None else "present", "absent" if other is None else "present")
        elif isinstance(one, tuple):
            if one != other:
                yield Setting(kind, name, "masks", _shown(one), _shown(other))
        else:
            for key in (each.name for each in fields(one)):
                was, now = getattr(one, key), getattr(other, key)
                if was != now and not callable(was):
                    yield Setting(kind, name, key, _shown(was), _shown(now))


def _shown(value: Any) -> str:
    if isinstance(value, frozenset):
        value = sorted(value)
    plain = type(value) in (list, tuple)  # what has names says itself what it is
    return ", ".join(map(str, value)) if plain else "none" if value is None else str(value)


def _either(conditions: tuple[str, ...]) -> str:
    return " or ".join(f"({each})" for each in conditions) if len(conditions) > 1 else conditions[0]
