"""What people ask while they work: tables of what there is to do, and how often beside each other.

Mistakes are part of it: the case is forgotten, a column is none of theirs or misspelled, the purpose is another tool's.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable
from itertools import accumulate
from random import Random
from typing import Final, NamedTuple

from munjigi.company.cases import Case, Cases, Numbering, member
from munjigi.company.events import Asked, Outcome, Question
from munjigi.company.people import CARE, FRAUD, MARKETING, Employee, Team
from munjigi.kernel.clock import SECOND

_MEMBER: Final = "crm.member"
_ORDER: Final = "crm.member_order"
_PAYMENT: Final = "crm.payment"
_INQUIRY: Final = "crm.inquiry"
_FAILED: Final = 0.006  # of reads
_ABANDONED: Final = 0.004
_UNCONFIRMED: Final = 0.01  # the tool crashed, say
_LIST: Final = 20  # questions of a list, at most


class Task(NamedTuple):
    """Something to do at a tool, and how often. `group`: unnamed members, at most; `list`: as many questions in one call.

    `rows` are read of each, at most; 0: the question is not followed by a read. `caseless`: no case is named.
    """

    what: str
    weight: float
    resource: str
    fields: tuple[str, ...]
    purpose: str
    rows: int = 1
    group: int = 0
    list: bool = False
    action: str = "read"
    probe: bool = False
    caseless: bool = False


def _care(what: str, weight: float, resource: str, fields: tuple[str, ...] = (), **more: bool | int) -> Task:
    return Task(what, weight, resource, fields, "inquiry", **more)  # type: ignore[arg-type]  # checked by its tests


_AGENT: Final = (
    _care("opens the menu", 22, _MEMBER, ("name", "phone", "email", "address"), rows=0, probe=True),
    _care("reads a caller's contact data", 38, _MEMBER, ("name", "phone")),
    _care("looks up an order", 17, _ORDER, rows=4),
    _care("reads what was asked", 12, _INQUIRY, rows=1),
    _care("checks a payment", 5, _PAYMENT, ("payment_id", "paid_at", "amount"), rows=3),
    _care("checks an address for a delivery", 4, _MEMBER, ("name", "address")),
    _care("prepares a list of call-backs", 0.1, _MEMBER, ("name", "phone"), list=True),
    _care("forgets the case", 0.7, _MEMBER, ("name", "phone"), rows=0, caseless=True),
    _care("tries a resident number", 0.4, _MEMBER, ("name", "resident_number"), rows=0),
    _care("misspells a column", 0.3, _MEMBER, ("name", "telephone"), rows=0),
    Task("picks another tool's purpose", 0.3, _MEMBER, ("birth_date",), "marketing", rows=0, caseless=True),
)
_LEAD: Final = (
    _care("opens the menu", 15, _MEMBER, ("name", "phone", "email", "address"), rows=0, probe=True),
    _care("reads a whole phone number", 30, _MEMBER, ("name", "phone")),
    _care("checks an order", 25, _ORDER, rows=6),
    _care("takes a complaint over", 18, _INQUIRY, rows=2),
    _care("reads an address", 8, _MEMBER, ("name", "address", "email")),
    _care("forgets the case", 0.6, _MEMBER, ("name",), rows=0, caseless=True),
    _care("tries a resident number", 0.2, _MEMBER, ("resident_number",), rows=0),
)
_ANALYST: Final = (
    Task("opens the menu", 10, _MEMBER, ("birth_date", "address"), "marketing", rows=0, probe=True, group=1000),
    Task("counts a target group", 40, _MEMBER, ("birth_date", "address", "status"), "marketing", rows=4000, group=20_000),
    Task("looks at what was bought", 25, _ORDER, ("product", "ordered_at", "amount"), "marketing", rows=3000, group=8_000),
    Task("exports a campaign's figures", 6, _ORDER, ("product", "amount"), "marketing", rows=900, group=900, action="export"),
    Task("wants names for a campaign", 2, _MEMBER, ("name", "birth_date"), "marketing", rows=0, group=300),
    Task("counts dormant members, too", 0.8, "crm.dormant_member", ("birth_date",), "marketing", rows=0, group=500),
)
_DETECTIVE: Final = (
    Task("opens the menu", 12, _PAYMENT, (), "fraud_investigation", rows=0, probe=True),
    Task("follows a payment", 45, _PAYMENT, (), "fraud_investigation", rows=12),
    Task("reads who is behind it", 22, _MEMBER, ("name", "phone", "email", "birth_date"), "fraud_investigation"),
    Task("reads orders of a suspect", 15, _ORDER, (), "fraud_investigation", rows=20),
    Task("forgets the case", 0.8, _PAYMENT, ("amount",), "fraud_investigation", rows=0, caseless=True),
)
_CURIOUS: Final = (
    Task("looks into a table", 3, _MEMBER, ("name",), "inquiry", rows=0),
    Task("looks for orders", 1, _ORDER, ("product",), "inquiry", rows=0, caseless=True),
)


class _Table:
    """Tasks with what draws one of them."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = tuple(tasks)
        self._until = list(accumulate(each.weight for each in self.tasks))

    def draw(self, random: Random) -> Task:
        return self.tasks[bisect(self._until, random.random() * self._until[-1])]


_TABLES: Final = {"cs": _Table(_AGENT), "lead": _Table(_LEAD), "mkt": _Table(_ANALYST), "fraud": _Table(_DETECTIVE)}
_OTHERS: Final = _Table(_CURIOUS)
_COMMAND_LINE: Final = "munjigi-cli"


class Work:
    """Makes what somebody asks at a moment. Keeps the cases of teams."""

    def __init__(self, members: int, random: Random) -> None:
        self._members = members
        self._random = random
        self._numbering = Numbering()
        self._cases: dict[Team, Cases] = {}
        self._makers: dict[str, Callable[[], Cases]] = {
            CARE.prefix: lambda: Cases("CS-{}-{:06d}", 1_000_000, members, opens=0.3, closes=0.38),
            MARKETING.prefix: lambda: Cases("MK-{}-{:04d}", 10_000, members, opens=0.03, closes=0.02),
            FRAUD.prefix: lambda: Cases("FR-{}-{:04d}", 10_000, members, about=4, opens=0.08, closes=0.1),
        }

    def ask(self, at: int, year: int, employee: Employee) -> Asked:
        """Return what an employee asks at `at` (UTC nanoseconds)."""
        random = self._random
        duty = employee.duty
        table = _TABLES.get("lead" if employee.leads and duty is CARE else duty.prefix, _OTHERS)
        task = table.draw(random)
        case = self._case(employee.team, year)
        if task.list:
            count = 5 + int(random.random() * (_LIST - 5))
            questions = tuple(self._question(task, self._case(employee.team, year)) for _ in range(count))
        else:
            questions = (self._question(task, case),)
        tool = duty.tool or _COMMAND_LINE
        if not task.rows:
            return Asked(at, employee.subject, tool, task.what, questions, employee.ip)
        chance = random.random()
        outcome: Outcome = "read"
        rows: int | None = 1 + int(random.random() * min(task.rows, questions[0].subjects or task.rows))
        if chance < _FAILED:
            outcome, rows = "failed", 0
        elif chance < _FAILED + _ABANDONED:
            outcome, rows = "abandoned", 0
        elif chance < _FAILED + _ABANDONED + _UNCONFIRMED:
            rows = None
        takes = int((0.05 + 1.5 * random.random() ** 3) * SECOND)
        return Asked(at, employee.subject, tool, task.what, questions, employee.ip, rows, outcome, takes)

    def grant_case(self, year: int) -> str:
        """Return a case for which access to fraud cases is asked."""
        return f"FR-{year}-{self._numbering.next() % 10_000:04d}"

    def _case(self, team: Team, year: int) -> Case:
        cases = self._cases.get(team)
        if cases is None:
            make = self._makers.get(team.duty.prefix, self._makers[CARE.prefix])
            cases = self._cases[team] = make()
        return cases.pick(year, self._numbering, self._random)

    def _question(self, task: Task, case: Case) -> Question:
        case_id = "" if task.caseless else case.case_id
        if task.group:
            subjects = 1 + int(task.group * self._random.random() ** 2)
            return Question(task.resource, task.fields, task.purpose, case_id, (), subjects, task.action, task.probe)
        members = case.members if task.purpose != "marketing" else (member(self._members, self._random),)
        return Question(task.resource, task.fields, task.purpose, case_id, members, 0, task.action, task.probe)
