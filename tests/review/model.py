"""A naive model of how a review is decided, applied and undone: dictionaries, one refusal, nothing of the code under test."""

from __future__ import annotations

from dataclasses import dataclass, field

DAY = 86_400 * 10**9
NOTICE, DEFAULT_DAYS, LONGEST_EXCEPTION = 7 * DAY, 14 * DAY, 90 * DAY


class Refused(Exception):
    pass


def must(holds: object) -> None:
    if not holds:
        raise Refused


@dataclass
class Right:
    who: str
    start: int
    end: int
    narrow: bool = False
    suspended: str = ""
    ended: str = ""

    def key(self) -> tuple[object, ...]:
        return (self.start, self.end, self.narrow, self.suspended, self.ended)


@dataclass
class Item:
    right: str
    verdict: str
    sensitive: bool
    planned: tuple[object, ...]
    state: str = "open"
    word: str = ""
    by: str = ""
    before: tuple[object, ...] | None = None
    left: tuple[object, ...] | None = None


@dataclass
class Model:
    """`owners` may decide on whomever but themselves; `office` from the tenth day on."""

    owners: set[str]
    office: str
    rights: dict[str, Right]
    now: int
    opened: int = 0
    state: str = ""
    items: dict[int, Item] = field(default_factory=dict)
    excepted: dict[str, tuple[str, int]] = field(default_factory=dict)  # asked: right -> who asked, until
    protected: dict[str, int] = field(default_factory=dict)  # approved: right -> until
    used: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)

    def open(self, verdicts: dict[int, tuple[str, str, bool]]) -> None:
        must(self.state not in ("open", "applying") and verdicts)
        self.opened, self.state = self.now, "open"
        self.items = {
            number: Item(right, verdict, sensitive, self.rights[right].key())
            for number, (right, verdict, sensitive) in verdicts.items()
        }

    def may(self, who: str, item: Item) -> bool:
        named = self.owners if self.now < self.opened + 10 * DAY else self.owners | {self.office}
        return who in named and who != self.rights[item.right].who

    def decide(self, who: str, number: int, word: str) -> None:
        must(self.state == "open")
        item = self.items[number]
        must(self.may(who, item) and (word != "reduce" or item.verdict == "reduce"))
        must(item.state == "open" or item.by in ("", who))
        item.state, item.word, item.by = "decided", word, who

    def ask_exception(self, who: str, number: int, until: int) -> None:
        must(self.state == "open")
        item = self.items[number]
        must(who == self.rights[item.right].who or self.may(who, item))
        must(self.now < until <= self.now + LONGEST_EXCEPTION and item.right not in self.protected)
        self.excepted[item.right] = (who, until)

    def approve_exception(self, who: str, number: int) -> None:
        must(self.state == "open")
        item = self.items[number]
        asker, until = self.excepted[item.right]
        must(who != asker and who != self.rights[item.right].who and who in self.owners | {self.office})
        must(self.now < until)
        del self.excepted[item.right]
        self.protected[item.right] = until
        item.state, item.word, item.by = "decided", "keep", who

    def run(self) -> None:
        must(self.state == "open" and self.now >= self.opened + NOTICE)
        waiting = [each for each in self.items.values() if each.state == "open" and each.verdict != "keep"]
        must(not waiting or self.now >= self.opened + DEFAULT_DAYS)
        for item in waiting:
            default = "revoke" if item.sensitive else "suspend"
            item.state, item.word = "decided", item.verdict if item.verdict != "ask" else default
        for item in self.items.values():
            if item.state == "decided" and item.word != "keep":
                self.take(item)
        self.state = "applied"

    def take(self, item: Item) -> None:
        right = self.rights[item.right]
        if (
            right.ended
            or right.end <= self.now
            or right.key() != item.planned
            or self.now < self.protected.get(item.right, 0)
            or (item.word == "suspend" and right.suspended)
            or item.right in self.used
        ):
            item.state = "left"
            return
        item.before = right.key()
        if item.word == "revoke":
            right.start, right.end, right.suspended, right.ended = min(right.start, self.now), self.now, "", "review"
            self.marks.add(item.right)
        elif item.word == "reduce":
            right.narrow = True
        else:
            right.suspended = "review"
        item.state, item.left = "applied", right.key()

    def stop(self) -> None:
        must(self.state == "open")
        self.state = "stopped"

    def undo(self, numbers: list[int]) -> None:
        must(self.state in ("applied", "stopped", "undone"))
        for number in numbers or list(self.items):
            item = self.items[number]
            right = self.rights[item.right]
            if item.state != "applied" or right.key() != item.left:
                continue
            right.start, right.end, right.narrow, right.suspended, right.ended = item.before  # type: ignore[assignment, misc]
            self.marks.discard(item.right)
            item.state = "undone"
        states = [each.state for each in self.items.values()]
        if "undone" in states and "applied" not in states:
            self.state = "undone"

    # What others do with rights meanwhile

    def revoke(self, name: str) -> None:
        right = self.rights[name]
        must(not right.ended and right.end > self.now)
        right.start, right.end, right.suspended, right.ended = min(right.start, self.now), self.now, "", "revoked"

    def suspend(self, name: str) -> None:
        right = self.rights[name]
        must(not right.ended and right.end > self.now and not right.suspended)
        right.suspended = "owner"

    def resume(self, name: str) -> None:
        right = self.rights[name]
        must(not right.ended and right.end > self.now and right.suspended)
        right.suspended = ""

    def shorten(self, name: str, end: int) -> None:
        right = self.rights[name]
        must(not right.ended and right.end > self.now and max(self.now, right.start) < end <= right.end)
        right.end = end
