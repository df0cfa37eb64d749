"""Who works there: duties, teams, names. Names are made of the duty and a number, and are nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

SMALLEST: Final = 20
LARGEST: Final = 100_000
_TEAM: Final = 12  # people, one of them leads
_IDLE_HOLDERS: Final = 0.04  # of those whose work needs no member data hold a role from earlier, and never use it


class Duty(NamedTuple):
    """A kind of work: how its people are named, where they are, which part of the company they are, what they need.

    `lead_role` is what who leads a team needs; `shifts`: they work around the clock's day, and on days off.
    """

    prefix: str
    department: str
    share: float
    tool: str = ""
    role: str = ""
    purpose: str = ""
    lead_role: str = ""
    approvers: tuple[str, ...] = ()
    shifts: bool = False


# Who owns roles and sits in the privacy office is of the sample company.
_OWNER: Final = "cs.lee"
_PRIVACY: Final = "dpo.yoon"
CARE: Final = Duty(
    "cs", "customer-service", 0.56, "crm-desk", "cs_agent", "inquiry", lead_role="cs_manager", approvers=(_OWNER,), shifts=True
)
MARKETING: Final = Duty("mkt", "marketing", 0.1, "campaign-tool", "marketing_analyst", "marketing", approvers=(_OWNER,))
FRAUD: Final = Duty("fraud", "fraud", 0.05, "fraud-console", "fraud_analyst", "fraud_investigation", approvers=(_OWNER, _PRIVACY))
DATABASE: Final = Duty("dba", "database", 0.02)
SECURITY: Final = Duty("sec", "security", 0.02)
LOGISTICS: Final = Duty("ops", "operations", 0.25)
DUTIES: Final = (CARE, MARKETING, FRAUD, DATABASE, SECURITY, LOGISTICS)
APPROVERS: Final = {"cs_manager": (_OWNER, _PRIVACY), **{each.role: each.approvers for each in DUTIES if each.role}}
PURPOSES: Final = {"cs_manager": "inquiry", **{each.role: each.purpose for each in DUTIES if each.role}}


@dataclass(slots=True)
class Holding:
    """A role that somebody holds: by which request or hire, until when (UTC nanoseconds); `renewing`: more time was asked for."""

    handle: str
    role: str
    ends_at: int
    renewing: bool = False


@dataclass(slots=True)
class Employee:
    """Somebody of the company. `away_until` (a day's number) is the end of a leave; `away` that it is one of the personnel office's."""

    subject: str
    number: int
    duty: Duty
    team: Team
    leads: bool = False
    holding: Holding | None = None
    waiting: bool = False
    away_until: int = -1
    on_leave: bool = False
    gone: bool = False

    @property
    def ip(self) -> str:
        """Where they sit."""
        return f"10.{20 + (self.number >> 16)}.{self.number >> 8 & 255}.{self.number & 255}"

    @property
    def wanted_role(self) -> str:
        """What their work needs."""
        return self.duty.lead_role if self.leads and self.duty.lead_role else self.duty.role


@dataclass(slots=True, eq=False)
class Team:
    """People who share work. `number` counts within the duty."""

    duty: Duty
    number: int
    people: list[Employee]

    @property
    def lead(self) -> str:
        """Who leads it; empty where nobody does."""
        return next((each.subject for each in self.people if each.leads), "")


class Staff:
    """Everybody, by team. Those who leave are taken out, and their names are never given again."""

    def __init__(self, employees: int) -> None:
        """Set up `employees` people, whole teams of a duty one after the other."""
        self._width = max(4, len(str(2 * employees)))
        self._names: dict[str, int] = {}
        self._numbers = 0
        self.teams: dict[str, list[Team]] = {each.prefix: [] for each in DUTIES}
        self.everyone: list[Employee] = []
        for duty, count in _counts(employees):
            for _ in range(count):
                self.add(duty)

    def add(self, duty: Duty) -> Employee:
        """Take somebody on, into the first team with room; the first of a team leads it."""
        teams = self.teams[duty.prefix]
        if not teams or len(teams[-1].people) >= _TEAM:
            teams.append(Team(duty, len(teams), []))
        team = teams[-1]
        number = self._names[duty.prefix] = self._names.get(duty.prefix, 0) + 1
        self._numbers += 1
        employee = Employee(f"{duty.prefix}.{number:0{self._width}d}", self._numbers, duty, team, leads=not team.people)
        team.people.append(employee)
        self.everyone.append(employee)
        return employee

    def move(self, employee: Employee, duty: Duty) -> None:
        """Give somebody another duty. The name stays."""
        employee.team.people.remove(employee)
        teams = self.teams[duty.prefix]
        if not teams or len(teams[-1].people) >= _TEAM:
            teams.append(Team(duty, len(teams), []))
        employee.duty, employee.team, employee.leads = duty, teams[-1], False
        teams[-1].people.append(employee)

    def remove(self, employee: Employee) -> None:
        """Let somebody go."""
        employee.gone = True
        employee.team.people.remove(employee)
        self.everyone.remove(employee)


def holds_idly(chance: float) -> bool:
    """Tell by a number from [0, 1) whether somebody without such work holds a role all the same."""
    return chance < _IDLE_HOLDERS


def _counts(employees: int) -> list[tuple[Duty, int]]:
    """Divide a number of people among the duties, at least one each; what is left over goes to the first."""
    counts = {duty: max(1, int(duty.share * employees)) for duty in DUTIES}
    counts[CARE] += employees - sum(counts.values())
    return list(counts.items())
