"""What the security team's files should say after a review: no line gives back what was taken, none allows what nobody has any more.

Both follow from who holds what now. First the changes since the policy that decided last by which somebody would get back what the
review took (rule R19): these go, line by line, and all others stay. Then the rules of which the review took something from somebody and
that reach nobody any more, though their role is still held: roles get the size of what is held of them. What part of the holders
still have stays, and so does what a decision table asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from munjigi.decision.tables import evaluate_case
from munjigi.grants.book import Holdings
from munjigi.grants.lifecycle import state_of
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Grant, Scope
from munjigi.kernel.review import Mark, Permission, ReviewItem
from munjigi.policy.compile import compile_bundle
from munjigi.policy.csvfile import Row, read_rows
from munjigi.policy.findings import Findings
from munjigi.policy.rules import POLICY_FILE
from munjigi.policy.tables import run_tables
from munjigi.policy.types import ANY, PolicyBundle, Problem, Rule
from munjigi.review.git_patch import lines_of
from munjigi.review.held import of_grant
from munjigi.review.regrants import regrants

_OVER: Final = ("expired", "revoked")
_NAMED_BY: Final = {"p": 5, "g2": 2}  # cells by which a changed line is known again; a `g` line says nothing besides its names
Files = Mapping[str, bytes]
Case = tuple[str, int]
T = TypeVar("T")


class Taken(NamedTuple):
    """What a review took: its applied items, and its marks that stand."""

    items: Sequence[ReviewItem]
    marks: Sequence[Mark]


class Patch(NamedTuple):
    """Files with what they should say, why each line changes, what stays all the same, and decision tables that fail by it."""

    files: dict[str, bytes]
    why: tuple[str, ...]
    stays: tuple[str, ...]
    failing: tuple[Problem, ...]


def patch(
    before: PolicyBundle | None, files: Files, taken: Taken, holdings: Holdings, grants: Iterable[Grant], now: int
) -> Patch:
    """Return how the files of a policy home should change. `before` is the policy that decided last, where one did.

    `grants` are all grants. Raises `FailedPrecondition` when the files don't compile, or what gives back is not in lines that can go.
    """
    if not taken.items:
        return Patch({}, (), (), ())
    bundle, problems = compile_bundle(files, "patched")
    if bundle is None:
        first = next(each for each in problems if each.severity == "error")
        raise FailedPrecondition(
            "POLICY_INVALID", f"The policy home has errors; mend them first (`munjigi policy lint`): {first}"
        )
    kept, why = dict(files), list[str]()
    if before is not None and before.revision != bundle.revision:
        kept, why = _without_regrants(before, bundle, taken.marks, holdings, now)
    failed, failing = _failing(files), _failing(kept)
    sized, more, stays = _right_sized(kept, taken.items, grants, now, frozenset(failing))
    changed = {path: content for path, content in sized.items() if content != files[path]}
    return Patch(changed, (*why, *more), tuple(stays), tuple(failing[each] for each in sorted(failing.keys() - failed.keys())))


class _Line(NamedTuple):
    """A row of policy.csv that is not in the policy of before, and what it was there, if that is known."""

    row: Row
    old: bytes | None


def _without_regrants(
    before: PolicyBundle, after: PolicyBundle, marks: Sequence[Mark], holdings: Holdings, now: int
) -> tuple[dict[str, bytes], list[str]]:
    """Return files without those changes that give something back: as many others stay as go together."""

    def good(bundle: PolicyBundle | None) -> bool:
        return bundle is not None and not any(regrants(before, bundle, holdings, marks, now))

    if good(after):
        return dict(after.files), []
    # Rows alone can give back: columns, masks and roles of the other files count by the rows that name them.
    lines = list(_changed(before.files[POLICY_FILE], after.files[POLICY_FILE]))
    units = range(len(lines))

    def with_only(staying: Sequence[int]) -> dict[str, bytes]:
        edits = {lines[each].row: lines[each].old for each in frozenset(units).difference(staying)}
        return {**after.files, POLICY_FILE: _edited(after.files[POLICY_FILE], edits)}

    if not good(_compiled(with_only(()))):
        raise FailedPrecondition(
            "PATCH_IMPOSSIBLE",
            "The policy home gives back what the review took, and without its changes of policy.csv it has errors: go back to the policy "
            "that decided last, and change that.",
        )
    staying = _most(units, lambda tried: good(_compiled(with_only(tried))))
    why = []
    for each in sorted(frozenset(units).difference(staying)):
        ended = "it goes" if lines[each].old is None else "it is as it was before"
        why.append(f"{POLICY_FILE}:{lines[each].row.line} gives back what the review took: {ended}")
    return with_only(staying), why


def _right_sized(
    files: dict[str, bytes], items: Sequence[ReviewItem], grants: Iterable[Grant], now: int, failing: frozenset[Case]
) -> tuple[dict[str, bytes], list[str], list[str]]:
    """Return files without the rules of which something was taken and that reach nobody any more."""
    bundle = _compiled(files)
    assert bundle is not None  # it was compiled before
    had = _Reach(bundle, (item.before for item in items if item.before is not None))
    have = _Reach(bundle, (grant for grant in grants if state_of(grant, now) not in _OVER))
    idle = [rule for rule in bundle.rules if rule.allow and had.of(rule) and have.role_of(rule) and not have.of(rule)]
    rows = {row.line: row for row in _rows(files[POLICY_FILE])}

    def without(rules: Sequence[Rule]) -> dict[str, bytes]:
        return {**files, POLICY_FILE: _edited(files[POLICY_FILE], {rows[rule.line]: None for rule in rules})}

    def good(rules: Sequence[Rule]) -> bool:
        made = without(rules)
        return _compiled(made) is not None and _failing(made).keys() <= failing

    going = _most(idle, good)
    why = [
        f"{rule.ref}: the review took {rule.act} on `{rule.obj}` for purpose `{rule.purpose}`, and nobody who holds `{rule.sub}` has it any more"
        for rule in going
    ]
    stays = [f"{rule.ref} reaches nobody any more, and stays: decision tables ask for it" for rule in idle if rule not in going]
    return without(going), why, stays


class _Reach:
    """Which rules some grants reach, whatever conditions say. Grants that are alike are looked at once."""

    def __init__(self, bundle: PolicyBundle, grants: Iterable[Grant]) -> None:
        self._bundle = bundle
        alike: dict[tuple[str, str, Scope | None], Grant] = {}
        for grant in grants:
            alike.setdefault((grant.role, grant.purpose, grant.scope), grant)
        self._held: dict[str, list[tuple[str, tuple[Permission, ...]]]] = {}
        for grant in alike.values():
            held = of_grant(bundle, grant)
            for way in bundle.closure.get(grant.role, ()):
                self._held.setdefault(way.role, []).append((grant.purpose, held))

    def role_of(self, rule: Rule) -> bool:
        """Tell whether a grant brings the rule's role for its purpose."""
        return any(rule.purpose in (purpose, ANY) for purpose, _ in self._held.get(rule.sub, ()))

    def of(self, rule: Rule) -> bool:
        """Tell whether a grant has something that the rule allows."""
        covers = self._bundle.objects
        return any(
            rule.purpose in (purpose, ANY)
            and any(rule.act in (each.action, ANY) and rule.obj in covers.get(each.object, ()) for each in held)
            for purpose, held in self._held.get(rule.sub, ())
        )


def _most(units: Sequence[T], good: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return as many units, in order, as are good together, tried in halves: few are bad among many."""
    chosen: list[T] = []
    waiting = [units] if units else []
    while waiting:
        tried = waiting.pop()
        if good([*chosen, *tried]):
            chosen += tried
        elif len(tried) > 1:
            half = len(tried) // 2
            waiting += [tried[half:], tried[:half]]
    return chosen


def _changed(before: bytes, after: bytes) -> Iterator[_Line]:
    """Yield the rows of a policy.csv that the one before has not, with the row of then that they are a change of."""
    old, new = _rows(before), _rows(after)
    there, stayed = {row.cells for row in old}, {row.cells for row in new}
    lines = lines_of(before)
    gone: dict[tuple[str, ...], list[bytes]] = {}
    for row in old:
        if row.cells not in stayed and (name := _name(row)):
            gone.setdefault(name, []).append(lines[row.line - 1])
    for row in new:
        if row.cells not in there:
            found = gone.get(_name(row))
            yield _Line(row, found.pop(0) if found else None)


def _name(row: Row) -> tuple[str, ...]:
    return row.cells[: _NAMED_BY.get(row.cells[0], 0)]


def _edited(data: bytes, edits: Mapping[Row, bytes | None]) -> bytes:
    """Return a policy.csv in which some rows are others, or none. Every other byte stays, and so does the way in which lines end."""
    lines = lines_of(data)
    for row, new in edits.items():
        there = lines[row.line - 1]
        lines[row.line - 1] = b"" if new is None else new.rstrip(b"\r\n") + there[len(there.rstrip(b"\r\n")) :]
    return b"".join(lines)


def _rows(data: bytes) -> list[Row]:
    """Return the rows; of a home without errors each is one line."""
    return read_rows(POLICY_FILE, data.decode(), Findings())


def _compiled(files: Files) -> PolicyBundle | None:
    return compile_bundle(files, "patched")[0]


def _failing(files: Files) -> dict[Case, Problem]:
    """Return the cases of decision tables that fail, by where they stand."""
    bundle = _compiled(files)
    found = run_tables(bundle, evaluate_case)[0] if bundle is not None else ()
    return {(each.file, each.line): each for each in found}
