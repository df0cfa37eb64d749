"""A naive model of docs/grants.md: lists that are searched, one refusal, no stores, no tables, nothing of the code under test."""

from __future__ import annotations

from itertools import product

from grants.model_people import Asked, Held, People, Who, must

SECOND = 10**9
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND


def filled(seats: list[tuple[str, list[str]]], people: set[str]) -> int:
    """How many seats these people fill at most, each one."""
    tries = ([one for one in each if one] for each in product(*(["", *people.intersection(able)] for _, able in seats)))
    return max(len(each) for each in tries if len(set(each)) == len(each))


class Model(People):
    # What is so

    def held(self, account: str, role: str, purpose: str, start: int, end: int) -> Held:
        more = {"who": self.of(account).name, "emergency": False, "suspended": "", "ended": False, "asked": ""}
        return Held(account=account, role=role, purpose=purpose, start=start, end=end, **more)

    def holds(self, account: str, role: str, purpose: str) -> bool:
        mine = [each for each in self.grants.values() if (each.account, each.role, each.purpose) == (account, role, purpose)]
        return not self.of(account).blocked and any(self.counts(each) for each in mine)

    def counts(self, grant: Held) -> bool:
        return grant.start <= self.now < grant.end and not grant.suspended and not grant.ended

    def edits(self, who: Who) -> bool:
        return any(each.who == who.name and each.role == "editor" and self.counts(each) for each in self.grants.values())

    def seats(self, request: Asked, stage: str) -> list[tuple[str, list[str]]]:
        """Who is named for a stage, and who may decide in each one's place."""
        if stage == "owner":
            named = [self.of(each) for each in self.rules[request.role].owners]
        elif stage == "manager":
            named = [self.people[each] for each in [self.people[request.who].manager] if each]
        else:
            named = [self.people[each.who] for each in self.grants.values() if each.role == stage and self.counts(each)]
        named = [each for each in named if each.name not in (request.who, request.by) and not self.edits(each)]

        def able(who: Who) -> bool:
            concerned = who.name in (request.who, request.by)
            return who.status == "active" and not who.blocked and not concerned and not self.edits(who)

        found = {}
        for each in named:
            others = [self.people[name] for name, (start, end) in each.deputies.items() if start <= self.now < end]
            people = [who.name for who in (each, *others) if able(who)]
            if people and not each.blocked and each.status != "left":
                found[each.name] = people
        if not found:
            found = {each.name: [each.manager] for each in named if each.manager and able(self.people[each.manager])}
        return list(found.items())

    def decidable(self, request: Asked, stages: tuple[tuple[str, bool], ...], used: set[str]) -> bool:
        """Whether the stages can have different people."""
        if not stages:
            return True
        seats = self.seats(request, stages[0][0])
        people = {each for _, able in seats for each in able} - used
        if stages[0][1]:
            needed = {each for name, able in seats for each in able if name not in able or each == name}
            return bool(people) and self.decidable(request, stages[1:], used | needed)
        return any(self.decidable(request, stages[1:], used | {each}) for each in people)

    # What is refused

    def period(self, start: int, end: int, days: int, longest: int) -> tuple[int, int]:
        must(bool(end) != bool(days) and (not start or start >= self.now - 300 * SECOND) and start <= self.now + 366 * DAY)
        begin = max(start, self.now)
        until = end or begin + days * DAY
        must(begin < until <= begin + longest)
        return begin, until

    def may_hold(self, who: Who, role: str, purpose: str, start: int, end: int, besides: str, *, heads: bool = True) -> None:
        must(who.status == "active" and not who.blocked)
        must(self.open_to(role, who.department))
        together = {key: each for key, each in self.grants.items() if each.start < end and start < each.end and self.lives(each)}
        for key, each in together.items():
            if each.who == who.name and key != besides:
                must((each.role, each.purpose) != (role, purpose) or each.emergency)
                must(role not in self.rules[each.role].excludes and each.role not in self.rules[role].excludes)
        others = {each.who for each in together.values() if each.role == role and each.who != who.name}
        must(not heads or not self.rules[role].budget or len(others) < self.rules[role].budget)

    # What is done

    def ask(self, key: str, made: Asked, supersedes: str) -> None:
        who, asker, old = self.of(made.account), self.of(made.by), self.grants.get(made.grant)
        must(asker is who or asker.name == who.manager)
        must(made.purpose in self.purposes)
        if made.kind == "renew":
            must(old and old.who == who.name and self.lives(old) and not old.emergency and not made.start)
            must((old.role, old.purpose) == (made.role, made.purpose))
        rule = self.rules[made.role]
        begin, until = self.period(max(old.start, self.now) if old else made.start, made.end, made.days, rule.longest * DAY)
        self.may_hold(who, made.role, made.purpose, begin, until, made.grant)
        replaced = None
        for name, each in self.requests.items():
            if each.who == who.name and self.open(each):
                if name == supersedes:
                    must(each.kind != "emergency")
                    replaced = each
                else:
                    must((each.role, each.purpose, each.kind) != (made.role, made.purpose, made.kind))
        must(not supersedes or replaced)
        made.account, made.who, made.by = old.account if old else made.account, who.name, asker.name
        made.stages, made.due, made.stage, made.voted, made.state = rule.stages, self.now + 14 * DAY, 0, (), "open"
        must(self.decidable(made, made.stages, set()))
        if replaced:
            replaced.state = "superseded"
        self.requests[key] = made

    def vote(self, key: str, account: str, *, approve: bool, read: bool) -> None:
        request, me = self.requests[key], self.of(account).name
        must(self.open(request) and read)
        stages = self.rules[request.role].stages
        must(stages == request.stages or request.kind == "emergency")
        left = stages[min(request.stage, len(stages) - 1) :]
        seats = self.seats(request, left[0][0])
        must(any(me in able for _, able in seats) and me not in request.voted)
        grant = self.grants.get(request.grant)
        if not approve:
            request.state = "denied"
            if request.kind == "emergency" and grant and self.lives(grant):
                grant.ended, grant.end = True, self.now
            return
        voted = {*request.voted, me}
        waits = left[0][1] and filled(seats, voted) < filled(seats, {each for _, able in seats for each in able})
        rest = left if waits else left[1:]
        must(self.decidable(request, rest, voted))
        if not rest:
            self.give(key, request, grant)
            request.state = "approved"
        request.voted, request.stage = (*request.voted, me), request.stage + (not waits)

    def give(self, key: str, request: Asked, old: Held | None) -> None:
        if request.kind == "emergency":
            return
        must(not old or self.lives(old))
        start = max(old.start if old else request.start, self.now)
        begin, until = self.period(start, request.end, request.days, self.rules[request.role].longest * DAY)
        self.may_hold(self.people[request.who], request.role, request.purpose, begin, until, request.grant)
        if old:
            old.end, old.asked = until, key
        else:
            self.grants[f"g{key[2:]}"] = self.held(request.account, request.role, request.purpose, begin, until)
            self.grants[f"g{key[2:]}"].asked = key

    def withdraw(self, key: str, account: str) -> None:
        request = self.requests[key]
        must(self.of(account).name in (request.who, request.by) and self.open(request) and request.kind != "emergency")
        request.state = "withdrawn"

    def break_glass(self, key: str, account: str, role: str, purpose: str, hours: int) -> None:
        who, longest = self.of(account), self.rules[role].emergency
        must(0 < hours <= longest and purpose in self.purposes)
        mine = [each for each in self.requests.values() if each.who == who.name and each.kind == "emergency"]
        must(not any(each.state == "open" and self.now >= each.due for each in mine))
        end = self.now + hours * HOUR
        self.may_hold(who, role, purpose, self.now, end, "", heads=False)
        made = Asked(
            kind="emergency", account=account, who=who.name, by=who.name, role=role, purpose=purpose, grant=f"g{key[2:]}"
        )
        made.stages, made.due, made.stage, made.voted, made.state = self.rules[role].stages, end + 3 * DAY, 0, (), "open"
        self.requests[key] = made
        self.grants[made.grant] = self.held(account, role, purpose, self.now, end)
        self.grants[made.grant].emergency, self.grants[made.grant].asked = True, key

    def delegate(self, account: str, to: str, start: int, end: int) -> None:
        who, other, start = self.of(account), self.of(to), max(start, self.now)
        must(who is not other and (not end or start < end <= start + 90 * DAY))
        who.deputies.pop(other.name, None)
        if end:
            who.deputies[other.name] = (start, end)

    def narrow(self, key: str, end: int) -> None:
        grant = self.grants[key]
        must(self.lives(grant) and max(self.now, grant.start) < end <= grant.end)
        grant.end = end

    def revoke(self, key: str) -> None:
        must(self.lives(self.grants[key]))
        self.grants[key].ended, self.grants[key].end = True, self.now

    def suspend(self, key: str) -> None:
        must(self.lives(self.grants[key]) and not self.grants[key].suspended)
        self.grants[key].suspended = "review"

    def resume(self, key: str, account: str) -> None:
        grant, me = self.grants[key], self.of(account)
        who = self.people[grant.who]
        made = [each.by for name, each in self.requests.items() if name == grant.asked]
        must(self.lives(grant) and grant.suspended and me.name not in (grant.who, *made) and not self.edits(me))
        must(who.status == "active" and not who.blocked and self.open_to(grant.role, who.department))
        grant.suspended = ""
