"""A short burst of the sample company at work, some of it curious: no days, no case that lives on. Repeats exactly for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, Literal, NamedTuple

from munjigi.company.cases import member
from munjigi.company.events import Asked, Question

_MEMBERS: Final = 50_000
_BATCH: Final = 20  # questions


class Scene(NamedTuple):
    """What one employee of the sample company does through one tool, and how often among the others."""

    what: str
    employee: str
    tool: str
    weight: int
    door: Literal["check", "access", "batch"]
    resource: str
    fields: tuple[str, ...]
    purpose: str
    case: str = ""  # a format for a number
    members: int = 0  # how many, unnamed; 0: one, named
    probe: bool = False


_CARE: Final = "CS-2026-{:06d}"  # a customer's case
_FRAUD: Final = "FR-2026-{:04d}"
_MEMBER: Final = "crm.member"
SCENES: Final = (
    Scene("reads a caller's contact data", "cs.kim", "crm-desk", 40, "access", _MEMBER, ("name", "phone"), "inquiry", _CARE),
    Scene("prepares a list of call-backs", "cs.kim", "crm-desk", 1, "batch", _MEMBER, ("name", "phone"), "inquiry", _CARE),
    Scene("opens the menu", "cs.kim", "crm-desk", 10, "check", _MEMBER, ("name", "phone"), "inquiry", _CARE, probe=True),
    Scene("tries resident numbers", "cs.kim", "crm-desk", 5, "check", _MEMBER, ("resident_number",), "inquiry", _CARE),
    Scene("forgets the case", "cs.kim", "crm-desk", 3, "check", _MEMBER, ("name",), "inquiry"),
    Scene("checks an order", "cs.lee", "crm-desk", 15, "access", "crm.member_order", (), "inquiry", _CARE),
    Scene("reads a whole phone number", "cs.lee", "crm-desk", 10, "access", _MEMBER, ("name", "phone"), "inquiry", _CARE),
    Scene(
        "counts a target group", "mkt.park", "campaign-tool", 5, "access", _MEMBER, ("birth_date",), "marketing", members=5_000
    ),
    Scene("wants names for a campaign", "mkt.park", "campaign-tool", 3, "check", _MEMBER, ("name",), "marketing", members=300),
    Scene("follows a payment", "fraud.choi", "fraud-console", 8, "access", "crm.payment", (), "fraud_investigation", _FRAUD),
    Scene("looks into a table", "dba.jung", "munjigi-cli", 3, "check", _MEMBER, ("name",), "inquiry", _CARE),
    Scene("has no grant yet", "new.oh", "crm-desk", 2, "check", _MEMBER, ("name", "phone"), "inquiry", _CARE),
)


def burst(count: int, seed: int) -> Iterator[Asked]:
    """Yield what is asked, `count` questions in all: each scene once if there is room, then by weight."""
    random = Random(seed)  # noqa: S311 - which scene comes next is no secret
    weights = [scene.weight for scene in SCENES]
    left = count
    opening = iter(SCENES)
    while left > 0:
        scene = next(opening, None) or random.choices(SCENES, weights)[0]
        if scene.door == "batch" and left < _BATCH:
            scene = SCENES[0]
        questions = tuple(_question(scene, random) for _ in range(_BATCH if scene.door == "batch" else 1))
        left -= len(questions)
        rows = (scene.members or 1) if scene.door == "access" else None
        yield Asked(0, scene.employee, scene.tool, scene.what, questions, rows=rows)


def _question(scene: Scene, random: Random) -> Question:
    case_id = scene.case.format(random.randrange(1, 3000))
    members = () if scene.members else (member(_MEMBERS, random),)
    return Question(scene.resource, scene.fields, scene.purpose, case_id, members, scene.members, probe=scene.probe)
