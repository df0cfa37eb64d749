"""A session is idle when nobody has called in it for long: at no worker of the host, and whatever fresh tokens were fetched meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from identity.kit import (
    EMBEDDED,
    EMPLOYEE_TYPES,
    ISSUER,
    NONE_ENDED,
    NOW,
    PEER,
    TOOL_TYPES,
    TOOLS,
    StaticKeys,
    bearer,
    claims,
    sign,
    sign_tool,
    tool_header,
)

from munjigi.adapters.board import Board
from munjigi.adapters.identity.tokens import JwtVerifier
from munjigi.kernel.clock import SECOND
from munjigi.kernel.neighbours import Seen
from munjigi.policy.signin import SessionLimit
from munjigi.rpc.authentication import Authenticator
from munjigi.rpc.credentials import credentials_of
from munjigi.rpc.failures import Failures
from munjigi.rpc.neighbours import Alone

MINUTE = 60 * SECOND
LIMIT = SessionLimit(0, 15 * MINUTE)
HOUR = 3600


class Gate:
    """One worker."""

    def __init__(self, folder: Path, slot: int, workers: int = 2) -> None:
        keys = StaticKeys()
        self.authenticator = Authenticator(
            JwtVerifier(keys, issuer=ISSUER, types=EMPLOYEE_TYPES),
            JwtVerifier(keys, issuer=ISSUER, types=TOOL_TYPES),
            Failures(),
            print,
            Board(folder / "board", slot, workers),
        )

    def call(self, token: str, now: int) -> str:
        """Call once; return which limit the session is beyond."""
        sent = [bearer(token), tool_header(sign_tool(exp=NOW // SECOND + 99 * HOUR))]
        presented = credentials_of(sent, PEER, None, EMBEDDED).presented
        caller = self.authenticator.admit(presented, PEER, None, EMBEDDED, TOOLS, NONE_ENDED, now)
        return LIMIT.broken(caller.sign_in, now)


def token(issued: int = NOW, signed_in: int = NOW, session: str | None = "s-1", **more: object) -> str:
    times = {"iat": issued // SECOND, "nbf": issued // SECOND, "exp": issued // SECOND + 4 * HOUR}
    return sign(claims(auth_time=signed_in // SECOND or None, sid=session, **times, **more))


@pytest.fixture
def gates(tmp_path: Path) -> list[Gate]:
    return [Gate(tmp_path, slot) for slot in range(2)]


def test_calls_at_whatever_worker_keep_a_session_from_being_idle_without_a_fresh_token(gates: list[Gate]) -> None:
    one = token()
    for turn in range(12):
        assert gates[turn % 2].call(one, NOW + turn * 14 * MINUTE) == ""


def test_without_a_call_it_is_idle_at_both_and_stays_so_whatever_token_is_fetched(gates: list[Gate]) -> None:
    now = NOW + MINUTE
    assert gates[0].call(token(), now) == ""
    assert gates[0].call(token(), now + 15 * MINUTE - SECOND) == ""
    now += 2 * 15 * MINUTE + 5 * SECOND  # known to within five seconds
    fresh = token(issued=now)
    assert [each.call(fresh, now + SECOND) for each in gates] == ["idle", "idle"]
    for turn in range(5):  # and asking again is no sign of work
        assert gates[turn % 2].call(fresh, now + turn * MINUTE) == "idle"
    assert gates[1].call(token(issued=now, signed_in=now), now + MINUTE) == ""
    assert gates[0].call(token(issued=now, session="s-2"), now + MINUTE) == ""


def test_calls_that_come_often_count_once_in_five_seconds_and_the_last_of_them_is_not_missed(gates: list[Gate]) -> None:
    one, now = token(), NOW
    for _ in range(60):
        now += SECOND
        assert gates[0].call(one, now) == ""
    assert gates[1].call(one, now + 15 * MINUTE - 1) == ""


def test_a_session_that_this_host_has_not_seen_is_as_old_as_its_token(gates: list[Gate], tmp_path: Path) -> None:
    assert gates[0].call(token(issued=NOW - 14 * MINUTE, signed_in=NOW - 60 * MINUTE), NOW) == ""
    assert gates[0].call(token(issued=NOW - 15 * MINUTE, signed_in=NOW - 60 * MINUTE, session="s-3"), NOW) == "idle"
    (tmp_path / "elsewhere").mkdir()
    assert Gate(tmp_path / "elsewhere", 0).call(token(issued=NOW - 14 * MINUTE, signed_in=NOW - 60 * MINUTE), NOW) == ""


def test_a_worker_that_is_started_again_knows_its_sessions(gates: list[Gate], tmp_path: Path) -> None:
    assert gates[0].call(token(), NOW) == ""
    later = NOW + 20 * MINUTE
    assert Gate(tmp_path, 0).call(token(issued=later), later) == "idle"


@pytest.mark.parametrize(
    ("first", "other"),
    [
        (token(), token(sub="cs.lee", issued=NOW + 20 * MINUTE)),
        (token(session=None, signed_in=0), token(session=None, signed_in=0, issued=NOW + 20 * MINUTE)),
    ],
    ids=["another account", "tokens that name neither session nor sign-in"],
)
def test_another_session_is_another(gates: list[Gate], first: str, other: str) -> None:
    assert gates[0].call(first, NOW) == ""
    assert gates[0].call(other, NOW + 20 * MINUTE) == ""


def test_what_is_remembered_is_bounded_for_a_worker_alone() -> None:
    alone = Alone()
    for number in range(10_001):
        alone.note((number, 0), Seen(NOW, 1))
    assert alone.seen((0, 0)).last == 0
    assert alone.seen((1, 0)).last == NOW
