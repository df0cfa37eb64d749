"""Notices in English."""

from __future__ import annotations

from typing import Final

from munjigi.grants.notices.vocabulary import Vocabulary

_DECIDE: Final = ("To decide:", "  munjigi approve {request}", "  munjigi deny {request} --reason '...'")
_ASK: Final = ("To ask anew:", "  munjigi request {role_name} --purpose {purpose_name} --days N --reason '...'")
_REVIEW: Final = ("To decide:", "  munjigi review decide {review}")

VOCABULARY: Final = Vocabulary(
    kinds={
        "request.made": ("{holder} asks for {role}", "A request for access waits for your decision.", *_DECIDE),
        "request.waiting": (
            "{holder} has waited for {role} for {waited} days",
            "Nobody has decided on this request for {waited} days. You may decide, or are the manager of one who may, or the privacy office.",
            *_DECIDE,
        ),
        "request.lapsed": ("Request for {role} has lapsed", "Nobody decided on this request in time, and it is over.", *_ASK),
        "request.approved": (
            "Request for {role} is approved",
            "The request was approved.",
            "To see what is held:",
            "  munjigi grant list",
        ),
        "request.denied": ("Request for {role} is denied", "The request was denied.", *_ASK),
        "request.withdrawn": (
            "Request for {role} is withdrawn",
            "The request was withdrawn. There is nothing to decide any more.",
        ),
        "request.superseded": ("Request for {role} is replaced", "The request was replaced by a newer one."),
        "grant.given": ("{holder} holds {role}", "Access was given.", "To see what is held:", "  munjigi grant list"),
        "grant.changed": ("Access of {holder} is changed", "A grant was changed. What it is now:"),
        "grant.suspended": ("Access of {holder} is suspended", "A grant was suspended: it does not count until it is resumed."),
        "grant.resumed": ("Access of {holder} is resumed", "A grant counts again."),
        "grant.ended": ("Access of {holder} has ended", "A grant was ended before its time."),
        "grant.ends": (
            "{role} ends in {left} days",
            "A grant ends in {left} days. If the work goes on, ask for its renewal now: others have to decide.",
            "To ask for it:",
            "  munjigi request --renew {grant} --days N --reason '...'",
        ),
        "break_glass.taken": (
            "{holder} took {role} in an emergency",
            "Access was taken without approval and is in force now. If you know of no emergency, have it stopped at once.",
            "To stop it:",
            "  munjigi grant revoke {grant} --reason '...'",
        ),
        "break_glass.review": (
            "Review the emergency access of {holder}",
            "Access was taken in an emergency and is in force already. You decide whether that was right.",
            *_DECIDE,
        ),
        "break_glass.overdue": (
            "Review of emergency access of {holder} is overdue",
            "Nobody reviewed this emergency access in time. Until it is reviewed, emergency access is not given again.",
            *_DECIDE,
        ),
        "break_glass.reviewed": ("Emergency access of {holder} is reviewed", "The review of this emergency access was closed."),
        "fact.lapses": (
            "{fact} of {holder} lapses in {left} days",
            "A requirement lapses in {left} days. Access that needs it stops then. Renew it with the personnel or training office.",
        ),
        "principal.blocked": ("{principal} is blocked", "The control center has stopped this person or tool with all it holds."),
        "principal.unblocked": ("{principal} is not blocked any more", "A block was lifted."),
        "review.opened": (
            "Review “{title}”: {items} of yours to decide",
            "A review of rights is open, and you decide on some of them. Each comes with what was used of it.",
            *_REVIEW,
        ),
        "review.concerns": (
            "Your access as {role} is up for review",
            "A review proposes to take this access away, or to narrow it to what you use. If you need it, use it, or tell its owners.",
            "To see what is proposed:",
            "  munjigi review show {review} --employee {holder}",
        ),
        "review.reminder": (
            "Review “{title}”: {items} of yours still to decide",
            "Your word is missing. What nobody decides is decided by default, and never kept in silence.",
            *_REVIEW,
        ),
        "review.escalated": (
            "Review “{title}”: {items} that nobody has decided",
            "Whoever should decide these has not. You may: as their manager, or in the privacy office.",
            *_REVIEW,
        ),
        "review.exception": (
            "An exception from review {review} is asked for",
            "A grant is to stay although the review would take it. It takes a second person: somebody else than who asked and who holds it.",
            "To approve it:",
            "  munjigi review except {review} --approve {exception}",
        ),
        "review.applied": (
            "Review {review} is applied",
            "What was decided is done. It can be given back, whole or item by item.",
            "To see it, and to undo it:",
            "  munjigi review show {review}",
            "  munjigi review undo {review} --reason '...'",
        ),
        "review.stopped": (
            "Review {review} is stopped",
            "The review was stopped before its end. What was applied until then stands unless the reason says otherwise.",
            "To see it:",
            "  munjigi review show {review}",
        ),
        "review.undone": (
            "Review {review} is undone",
            "What the review took away was given back.",
            "To see it:",
            "  munjigi review show {review}",
        ),
        "review.log_closing": (
            "Log {log} is to be closed, and waits for a second person",
            "Somebody says that this log is lost for good. With your word, too, reviews wait for it no longer. Look first whether its host starts.",
            "To say so, too:",
            "  munjigi review close-log {log} --reason '...'",
        ),
        "review.log_closed": (
            "Log {log} is closed",
            "Two people have said that this log is lost for good. Reviews go on, and take nothing over the time in which its use is unknown.",
        ),
        "trial": ("Trial", "This is a trial of `munjigi doctor --send-test`. There is nothing to do."),
    },
    labels={
        "holder": "Who",
        "applicant": "Asked by",
        "by": "Done by",
        "principal": "Person or tool",
        "role": "Role",
        "purpose": "Purpose",
        "case": "Case",
        "fact": "Requirement",
        "roles": "Roles that need it",
        "starts": "From",
        "ends": "Until",
        "days": "Days",
        "lapses": "Decide before",
        "log": "Log",
        "unknown": "Use unknown from",
        "review": "Review",
        "items": "Items",
        "applies": "Applied from",
        "defaults": "By default from",
        "reason": "Reason",
        "answer": "Answer",
    },
    severities={"info": "", "warning": "[!]", "critical": "[ALARM]"},
)
