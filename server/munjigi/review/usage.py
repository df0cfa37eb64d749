"""Count use out of a log's records (REVIEW R1, R2): pure but for the records of other logs that it asks for.

What renews is an enforced ALLOW of member data whose read was confirmed, or whose tool need not confirm: no probe, no trial, no
question about Munjigi itself. It is credited to every grant that the record names for a field. A decision counts once, however often
it is confirmed. A confirmation comes within a minute, nearly always in the log of its decision; one that another worker took is
matched through that log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import Corruption, InvalidArgument
from munjigi.kernel.ids import parse_record_id, record_id
from munjigi.kernel.review import Permission
from munjigi.review.days import PIECE, Days
from munjigi.review.ports import Counted
from munjigi.review.seen import SEEN, Credits, Seen, credits_of, seen_of
from munjigi.review.sketch import hash_of

VALIDITY: Final = 60 * SECOND  # from a decision to the last moment of its confirmation
_LATE: Final = 5 * SECOND  # beyond that; then a decision is looked up in the log when it is confirmed all the same
COUNTED: Final = ""
OWN: Final = "own"  # the log itself has a confirmation, which counts
_MOST_PENDING: Final = 1 << 19  # decisions; the others are looked up
_MOST_FORMS: Final = 1 << 17

Exempt = Callable[[str, str], bool]
"""Tells whether a tool need not confirm by a policy: the tool, the policy's revision."""


class Elsewhere(Protocol):
    """The other logs, and this one, by index. Raises `Unavailable`."""

    def record(self, log_id: str, index: int) -> bytes | None:
        """Return a record; None when it is not here."""
        ...

    def confirmed(self, log_id: str, index: int, until: int) -> bool:
        """Tell whether a log itself has a confirmation of its decision, of a time up to `until` (UTC nanoseconds)."""
        ...

    def claimed(self, log_id: str, index: int) -> bool:
        """Tell whether a decision was counted for a confirmation in another log."""
        ...


class _Form:
    """Questions that used the same of the same grants, and what they add up to since the last look.

    `exempt`: what it allows need not be confirmed. `pieces` are quarters of an hour, `days` the days that they are of.
    """

    __slots__ = ("credits", "days", "exempt", "first_at", "hashes", "last_at", "members", "pieces", "uses")

    def __init__(self, used: Credits, *, exempt: bool) -> None:
        self.credits = used
        self.exempt = exempt
        self.begin(0)

    def begin(self, at: int) -> None:
        """Begin anew with a use at `at`."""
        self.uses, self.first_at, self.last_at = 0, at, at
        self.pieces: set[int] = set()
        self.days: set[int] = set()
        self.members: set[str] = set()
        self.hashes: set[bytes] = set()

    def close(self, days: Days, known: dict[str, bytes]) -> None:
        """Work out days and hashes; `known` are the hashes of members that were made."""
        self.days = {days.of_piece(each) for each in self.pieces}
        for each in self.members:
            found = known.get(each)
            if found is None:
                found = known[each] = hash_of(each)
            self.hashes.add(found)


_Waiting = tuple[_Form, int, tuple[str, ...]]


class Fold:
    """Counts the records of one log in order, from `next_index` on.

    `claims` are decisions of it that were confirmed in other logs, by index: counted already (`COUNTED`), or to be counted here, with
    the id of the confirmation, which was read while this log was away. Whoever counts those logs adds to it.

    After a failure to store what `counted` returned it is of no use any more: begin again from what is stored.
    """

    def __init__(
        self, log_id: str, next_index: int, exempt: Exempt, days: Days, elsewhere: Elsewhere, claims: Mapping[int, str]
    ) -> None:
        self._log_id = log_id
        self._prefix = record_id(log_id, 0)[:-1]
        self._exempt = exempt
        self._elsewhere = elsewhere
        self._claims = claims
        self._days = days
        self.next_index = next_index
        self.begins_at = self.time = 0
        self._forms: dict[tuple[bytes, str, str, str, str], _Form] = {}
        self._exempted: dict[tuple[str, str], bool] = {}
        self._exempt_tools: set[str] = set()
        self._recalling = False
        # The decisions that can be confirmed: form, time and members of each; None when it was.
        self._pending: dict[int, _Waiting | None] = {}
        self._order: deque[tuple[int, int]] = deque()  # index and `valid_until`
        self._active: list[_Form] = []  # those with uses since the last look
        self._claimed: dict[tuple[str, int], str] = {}

    @property
    def resume(self) -> int:
        """The index of the oldest decision that can still be confirmed; else the next one."""
        return self._order[0][0] if self._order else self.next_index

    def recall(self, payloads: Sequence[bytes], first: int) -> None:
        """Read again what is counted, for the decisions that wait: the records [first, ...), which end at `next_index`."""
        self.next_index, self._recalling = first, True
        self.feed(payloads)
        self._recalling = False
        self.counted()

    def feed(self, payloads: Sequence[bytes]) -> None:
        """Count the next records. Raises `Corruption` when bytes are no record, and what `Elsewhere` raises."""
        index, time = self.next_index, self.time
        pending, order, claims, forms = self._pending, self._order, self._claims, self._forms
        decode, prefix, length = SEEN.decode, self._prefix, len(self._prefix)
        for payload in payloads:
            try:
                seen = decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise Corruption(
                    "RECORD_UNREADABLE", f"Record {index} of log {self._log_id} can't be read; run `munjigi audit verify`."
                ) from None
            time = seen.time
            if seen.type == "access.decision":
                if seen.decision == "ALLOW" and not (seen.probe or seen.observe or seen.own):
                    key = (bytes(seen.fields), seen.resource, seen.action, seen.tool, seen.policy_revision)
                    form = forms.get(key) or self._new_form(key, seen)
                    if form.exempt:
                        self._count(form, time, seen.members)
                    else:
                        pending[index] = (form, time, seen.members)
                        order.append((index, seen.valid_until or time))
                        if claims and claims.get(index, COUNTED) not in (COUNTED, OWN):
                            pending[index] = None
                            self._count(form, time, seen.members + self._members_of(claims[index]))
                            self._claimed[self._log_id, index] = COUNTED
            elif seen.type == "access.confirm" and seen.outcome == "read":
                of = seen.decision_id
                number = of[length:]
                # Nearly every confirmation is of this log, and of a decision that waits.
                waiting = pending.get(int(number)) if of.startswith(prefix) and number.isdecimal() else None
                if waiting is None:
                    self._confirm(seen, index)
                else:
                    pending[int(number)] = None
                    if not claims or claims.get(int(number)) != COUNTED:
                        form, at, members = waiting
                        self._count(form, at, members + seen.members if seen.members else members)
            index += 1
        if payloads:
            self.begins_at = self.begins_at or seen_of(payloads[0]).time
        self.next_index, self.time = index, time
        while order and (order[0][1] + _LATE < time or len(pending) > _MOST_PENDING):
            pending.pop(order.popleft()[0], None)

    def catch_up(self) -> bool:
        """Count the decisions before `next_index` whose confirmations were read while this log was away; tell whether there were any."""
        late = [(index, by) for index, by in self._claims.items() if by not in (COUNTED, OWN) and index < self.next_index]
        for index, by in late:
            waiting = self._looked_up(self._log_id, index)
            own = waiting is not None and self._elsewhere.confirmed(self._log_id, index, waiting[1] + VALIDITY + _LATE)
            if waiting is not None and not own:
                form, at, members = waiting
                self._count(form, at, members + self._members_of(by))
                if index in self._pending:
                    self._pending[index] = None
            self._claimed[self._log_id, index] = OWN if own else COUNTED
        return bool(late)

    def counted(self) -> tuple[Mapping[str, Mapping[Permission, Counted]], Mapping[tuple[str, int], str]]:
        """Return what was counted since the last call, by grant and permission.

        With it comes what became of decisions that were confirmed in other logs than theirs, as `claims` has it, by log and index.
        """
        found: dict[str, dict[Permission, list[_Form]]] = {}
        for form in self._active:
            for grant_id, permission in form.credits:
                found.setdefault(grant_id, {}).setdefault(permission, []).append(form)
        hashes: dict[str, bytes] = {}
        for form in self._active:
            form.close(self._days, hashes)
        counted: dict[str, dict[Permission, Counted]] = {}
        for grant_id, by_permission in found.items():
            sums: dict[tuple[int, ...], Counted] = {}  # permissions that the same questions used have one sum
            its = counted[grant_id] = {}
            for permission, forms in by_permission.items():
                key = tuple(map(id, forms))
                total = sums.get(key)
                if total is None:
                    total = sums[key] = _together(forms)
                its[permission] = total
        claimed = self._claimed
        for form in self._active:
            form.uses = 0
        self._active = []
        self._claimed = {}
        return counted, claimed

    def _confirm(self, seen: Seen, at_index: int) -> None:
        try:
            log_id, index = parse_record_id(seen.decision_id)
        except InvalidArgument:
            return
        if log_id != self._log_id:
            self._confirm_elsewhere(log_id, index, seen, at_index)
            return
        if index in self._pending:
            waiting, self._pending[index] = self._pending[index], None
        elif self._recalling or seen.tool in self._exempt_tools:
            return
        else:
            waiting = self._looked_up(log_id, index)
        if waiting is not None and self._claims.get(index) != COUNTED:
            form, at, members = waiting
            self._count(form, at, members + seen.members)

    def _confirm_elsewhere(self, log_id: str, index: int, seen: Seen, at_index: int) -> None:
        """Count a read that another worker allowed, unless one of the confirmations of it was counted."""
        place = (log_id, index)
        if self._recalling or place in self._claimed or self._elsewhere.claimed(log_id, index):
            return
        if self._elsewhere.record(log_id, index) is None:  # it counts when the log comes
            self._claimed[place] = record_id(self._log_id, at_index)
            return
        waiting = self._looked_up(log_id, index)
        if waiting is None or self._elsewhere.confirmed(log_id, index, waiting[1] + VALIDITY + _LATE):
            return
        form, at, members = waiting
        self._count(form, at, members + seen.members)
        self._claimed[place] = COUNTED

    def _members_of(self, confirmation: str) -> tuple[str, ...]:
        payload = self._elsewhere.record(*parse_record_id(confirmation))
        return seen_of(payload).members if payload is not None else ()

    def _looked_up(self, log_id: str, index: int) -> _Waiting | None:
        """Return a decision that counts by its confirmation."""
        payload = self._elsewhere.record(log_id, index)
        seen = seen_of(payload) if payload is not None else None
        if seen is None or not seen.counts:
            return None
        form = self._form(seen)
        return None if form.exempt else (form, seen.time, seen.members)

    def _form(self, seen: Seen) -> _Form:
        key = (bytes(seen.fields), seen.resource, seen.action, seen.tool, seen.policy_revision)
        return self._forms.get(key) or self._new_form(key, seen)

    def _new_form(self, key: tuple[bytes, str, str, str, str], seen: Seen) -> _Form:
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
        policy = (seen.tool, seen.policy_revision)
        if policy not in self._exempted:
            self._exempted[policy] = self._exempt(*policy)
        exempt = self._exempted[policy]
        if exempt:
            self._exempt_tools.add(seen.tool)
        form = self._forms[key] = _Form(credits_of(seen.fields, seen.resource, seen.action), exempt=exempt)
        return form

    def _count(self, form: _Form, at: int, members: tuple[str, ...]) -> None:
        if not form.uses:
            form.begin(at)
            self._active.append(form)
        elif at < form.first_at:
            form.first_at = at
        elif at > form.last_at:
            form.last_at = at
        form.uses += 1
        form.pieces.add(at // PIECE)
        form.members.update(members)


def _together(forms: list[_Form]) -> Counted:
    if len(forms) == 1:
        (form,) = forms
        return Counted(form.first_at, form.last_at, form.uses, form.days, form.hashes)
    return Counted(
        min([form.first_at for form in forms]),
        max([form.last_at for form in forms]),
        sum([form.uses for form in forms]),
        set().union(*[form.days for form in forms]),
        set().union(*[form.hashes for form in forms]),
    )
