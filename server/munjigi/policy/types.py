"""What policy files say, as immutable values. Parsers make them; the decision core reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from munjigi.kernel.references import KeyType
from munjigi.policy.calendar import NO_HOLIDAYS, Calendar
from munjigi.policy.signin import SessionLimit, SignInDemand

CLEAR: Final = "clear"
ANY: Final = "*"
CLASS_PREFIX: Final = "class:"
OWN_DATABASE: Final = "munjigi"
OWN_RESOURCES: Final = ("munjigi.audit", "munjigi.grant", "munjigi.policy", "munjigi.review")
DATA_ACTIONS: Final = ("read", "export", "reveal", "update", "delete")
OWN_ACTIONS: Final = ("read", "operate")

Severity = Literal["warning", "error"]


class Problem(NamedTuple):
    """One finding in a policy file. `line` and `column` count from 1; 0 means the whole file or line."""

    file: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity} {self.code}: {self.message}"


class Context(NamedTuple):
    """What a rule's condition may look at as `r.ctx`; `policy.attributes` says what each of them means."""

    ip: str
    now: int
    principal_type: str
    department: str
    device: bool
    tool: str
    hour: int | None = None
    weekday: str | None = None
    holiday: bool | None = None
    pledge: bool = False
    training: bool = False
    intent: str = "ACCESS"
    subjects: int = 0


# (request subject, object, action, purpose, context) -> holds
Condition = Callable[[str, str, str, str, Context], bool]


class Rule(NamedTuple):
    """One `p` line. `condition` is None for `True`; `mask` is a mask's name or `clear`, empty for a deny."""

    sub: str
    obj: str
    act: str
    purpose: str
    cond: str
    condition: Condition | None
    allow: bool
    mask: str
    file: str
    line: int

    @property
    def ref(self) -> str:
        """Return `file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Table:
    """One catalogued table, `name` is `database.table`; `columns` in catalog order.

    `subjects_of` is the table whose members the key column names (itself, or `crm.member` for its orders
    and partitions), so that one member has one reference everywhere.
    """

    name: str
    schema: str
    title: str
    key_column: str
    key_type: KeyType
    columns: tuple[str, ...]
    subjects_of: str
    partition_of: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Databases and classes. `masks[class]` runs from least to most revealing (`clear` is always last).

    `sign_in[class]` is what a class asks of the sign-in, where it asks for something.
    """

    tables: Mapping[str, Table]
    masks: Mapping[str, tuple[str, ...]]
    mask_rank: Mapping[str, int]
    sign_in: Mapping[str, SignInDemand] = field(default_factory=dict)


class Stage(NamedTuple):
    """One step of a role's approval: `owner`, `manager`, or an office, which is whoever holds one of `roles`.

    Anyone of them decides, or all of them where `everyone`.
    """

    name: str
    roles: tuple[str, ...] = ()
    everyone: bool = False

    def __str__(self) -> str:
        return f"{self.name}:all" if self.everyone else self.name


@dataclass(frozen=True, slots=True)
class Role:
    """What surrounds a role: who owns it, how it is approved, what it requires. Durations in days.

    Nobody holds it together with a role of `excludes`, whichever of the two says so. `break_glass_hours` is how long it can be taken
    in an emergency, without approval; 0 means not at all.
    """

    name: str
    title: str
    owners: tuple[str, ...]
    stages: tuple[Stage, ...]
    longest_days: int
    review: str
    requires: tuple[str, ...]
    budget: int
    departments: tuple[str, ...] = ()  # whose duty needs the role; none: any department's
    session: SessionLimit | None = None
    excludes: tuple[str, ...] = ()
    break_glass_hours: int = 0

    def open_to(self, department: str) -> bool:
        """Tell whether who works in a department may hold it."""
        return not self.departments or department in self.departments


@dataclass(frozen=True, slots=True)
class Purpose:
    """A registered reason of processing. `case_pattern` is a full-match pattern or empty.

    `case_required` asks each access for a case id, `case_for_grant` each request for a grant.
    """

    name: str
    title: str
    legal_basis: str
    impact_assessment: str
    impact_stage: str
    case_pattern: str
    case_required: bool
    case_example: str
    retention_days: int
    matches_case: Callable[[str], bool]
    case_for_grant: bool = False


@dataclass(frozen=True, slots=True)
class Tool:
    """A registered calling workload. Rates are calls per second; 0 means no limit of its own."""

    name: str
    title: str
    certificate_uri: str
    token_subject: str
    purposes: frozenset[str]
    actions: frozenset[str]
    sign_in_clients: frozenset[str]
    asserts_origin: bool
    confirm: Literal["required", "exempt"]
    checks_per_second: int
    max_subjects: int


class RolePath(NamedTuple):
    """A role reached from a held role through the hierarchy: held role first, this role last."""

    role: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyBundle:
    """All files of a policy home, compiled. Equal revisions are equal bundles.

    `closure[role]` are the roles that a holder of `role` has, itself first, then by distance.
    `classes[column]` are the data classes of `database.table.column`, ordered.
    `objects[target]` are the rule objects that apply to a target: for a column the column itself,
    `database.table.*`, `database.*` and `class:NAME` of its classes; for `class:NAME` and for a resource of Munjigi
    itself that object. Targets that are not in it are unknown.
    `index[obj, act, purpose][sub]` are the rules with these cells (`*` cells are under `*`), in file order.
    """

    revision: str
    source: str
    files: Mapping[str, bytes]
    catalog: Catalog
    roles: Mapping[str, Role]
    purposes: Mapping[str, Purpose]
    tools: Mapping[str, Tool]
    rules: tuple[Rule, ...]
    closure: Mapping[str, tuple[RolePath, ...]]
    classes: Mapping[str, tuple[str, ...]]
    objects: Mapping[str, tuple[str, ...]]
    index: Mapping[tuple[str, str, str], Mapping[str, tuple[Rule, ...]]]
    problems: tuple[Problem, ...]
    memo: dict[Any, Any]  # per-bundle memo of the decision core; keys come from the bundle only, so it is bounded
    calendar: Calendar = NO_HOLIDAYS
