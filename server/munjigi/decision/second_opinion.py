"""Ask other engines what they make of the decision tables: any engine that disagrees with the core refuses the bundle.

What comes before the matcher (tool, purpose, case id, members) is the core's alone and is not compared; nor is a field that
the catalog does not know. The roles that grants give are found here a second time, plainly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from munjigi.decision import reasons
from munjigi.decision.asker import Asker
from munjigi.decision.core import decide
from munjigi.decision.sign_in_opinion import SignInOpinion
from munjigi.decision.tables import asked_of
from munjigi.decision.transcription import Transcription
from munjigi.decision.types import Effect
from munjigi.kernel.grant import Grant
from munjigi.policy.tables import TableCase
from munjigi.policy.types import Context, PolicyBundle, Problem

# The core's reasons that come from grants and rules, so that an engine without our tables of tools can be asked, too.
_FROM_RULES: Final = frozenset(
    (
        reasons.GRANTED,
        reasons.RULE_DENIES,
        reasons.NO_RULE,
        reasons.NO_GRANT,
        reasons.GRANT_EXPIRED,
        reasons.GRANT_NOT_STARTED,
        reasons.GRANT_OTHER_PURPOSE,
        reasons.GRANT_OUT_OF_SCOPE,
        *reasons.NOT_MET,
        *reasons.UNDECIDED.values(),
    ),
)


class Question(NamedTuple):
    """One field of one case, as Casbin is asked: `roles` are what the grants give. `core` is mask, `clear` or `denied`.

    `step_up`: the core denies it all the same, until there is another sign-in. The matcher knows nothing of that.
    """

    case: TableCase
    subject: str
    roles: frozenset[str]
    obj: str
    act: str
    purpose: str
    context: Context
    core: str
    step_up: bool = False


def questions_of(bundle: PolicyBundle, cases: Iterable[TableCase]) -> list[Question]:
    """Decide the cases with the core and return what other engines can be asked about them."""
    found: list[Question] = []
    undemanding = replace(bundle, catalog=replace(bundle.catalog, sign_in={}), memo={}) if bundle.catalog.sign_in else bundle
    for case in cases:
        snapshot, request = asked_of(bundle, case)
        now = case.request.at
        asker = Asker(snapshot, request, now)
        whole = request.resource not in bundle.catalog.tables
        grants = [
            grant
            for grant in snapshot.grants.of(request.employee)
            if grant.purpose == request.purpose
            and grant.starts_at <= now < grant.ends_at
            and not grant.suspended
            and _counts(bundle, grant, asker)
        ]
        wanting = [field.name for field in decide(snapshot, request, now).fields if field.reason == reasons.STEP_UP_REQUIRED]
        for field in decide(snapshot._replace(bundle=undemanding), request, now).fields:
            if field.reason in _FROM_RULES:
                obj = field.name if whole else f"{request.resource}.{field.name}"
                roles = frozenset(grant.role for grant in grants if _covers(bundle, grant, obj, request.action))
                core = field.mask if field.effect is Effect.MASKED else field.effect.value
                subject = request.employee.subject
                found.append(
                    Question(
                        case, subject, roles, obj, request.action, request.purpose, asker.context(), core, field.name in wanting
                    ),
                )
    return found


def transcribed(bundle: PolicyBundle, questions: Sequence[Question]) -> tuple[list[str], frozenset[int]]:
    """Return what the transcription answers to each question, and the lines of all rules that matched."""
    matcher = Transcription(bundle)
    opinion = SignInOpinion(bundle, matcher.g2)
    reached: set[int] = set()
    answers: list[str] = []
    for asked in questions:
        shown, lines = matcher.read(asked.subject, asked.roles, asked.obj, asked.act, asked.purpose, asked.context)
        wants = shown != "denied" and opinion.step_up(asked.obj, asked.case.request.sign_in, asked.case.request.at)
        answers.append(
            shown if wants == asked.step_up else "denied until another sign-in" if wants else f"{shown} by this sign-in"
        )
        reached.update(lines)
    return answers, frozenset(reached)


def disagreements(engine: str, questions: Sequence[Question], answers: Sequence[str]) -> tuple[Problem, ...]:
    """Return a problem for each answer that is not the core's; an empty answer was not given."""
    found: dict[tuple[str, int], Problem] = {}
    for asked, answer in zip(questions, answers, strict=False):
        if answer and answer != asked.core:
            case = asked.case
            message = (
                f"{case.name}: on {asked.obj} Munjigi decides {asked.core} and {engine} {answer}."
                " This is a bug of one of them: report it, and write the rule another way meanwhile."
            )
            found.setdefault((case.file, case.line), Problem(case.file, case.line, 0, "error", "ENGINES_DISAGREE", message))
    return tuple(found.values())


def _counts(bundle: PolicyBundle, grant: Grant, asker: Asker) -> bool:
    role = bundle.roles.get(grant.role)
    return role is None or (asker.meets(role.requires) and not asker.beyond(role.session))


def _covers(bundle: PolicyBundle, grant: Grant, obj: str, act: str) -> bool:
    scope = grant.scope
    if scope is None:
        return True
    table = obj.rpartition(".")[0]
    about = {obj, f"{table}.*", f"{table.partition('.')[0]}.*", *(f"class:{each}" for each in bundle.classes.get(obj, ()))}
    return (not scope.actions or act in scope.actions) and (not scope.objects or not about.isdisjoint(scope.objects))
