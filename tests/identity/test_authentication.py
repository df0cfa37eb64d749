"""An employee and a tool, both proved and bound together; every forged shape is refused for its own reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from identity.kit import (
    BEHIND_PROXY,
    EMBEDDED,
    ISSUER,
    MTLS,
    NOW,
    TOOLS,
    Desk,
    StaticKeys,
    bearer,
    claims,
    key_set,
    reason,
    sign,
    sign_tool,
    tool,
    tool_header,
)

from munjigi.adapters.identity.keys import parse_key_set
from munjigi.audit.records import LockoutRecord
from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.clock import SECOND
from munjigi.kernel.errors import ResourceExhausted, Unauthenticated
from munjigi.kernel.grant import Person
from munjigi.kernel.identity import Caller, EmployeeKey, SessionEnd
from munjigi.rpc.addresses import address_of

KIM_AT_DESK = Caller(EmployeeKey(ISSUER, "cs.kim"), "crm-desk", "192.0.2.7")
DESK_URI = "spiffe://munjigi.local/tool/crm-desk"
FRAUD_URI = "spiffe://munjigi.local/tool/fraud-console"


def xfcc(value: str) -> tuple[str, str]:
    return ("x-forwarded-client-cert", value)


def test_the_embedded_identity_takes_two_tokens():
    assert Desk().ask([bearer(sign()), tool_header(sign_tool())]) == KIM_AT_DESK


def test_a_mapping_is_metadata_too():
    assert Desk().ask(dict([bearer(sign()), tool_header(sign_tool())])) == KIM_AT_DESK


def test_a_certificate_names_the_tool():
    assert Desk().ask([bearer(sign())], uris=(DESK_URI,), trust=MTLS) == KIM_AT_DESK


def test_the_proxy_header_names_the_tool_where_it_is_trusted():
    header = xfcc(f'By=spiffe://munjigi.local/gateway;Hash=ab12;Subject="CN=crm-desk,O=Company";URI={DESK_URI}')
    assert Desk().ask([bearer(sign()), header], trust=BEHIND_PROXY, peer="unix:") == KIM_AT_DESK._replace(peer="local")


def test_the_header_decides_behind_a_proxy_that_has_a_certificate_itself():
    found = Desk().ask([bearer(sign()), xfcc(f"URI={DESK_URI}")], uris=("spiffe://munjigi.local/envoy",), trust=BEHIND_PROXY)
    assert found == KIM_AT_DESK


def test_a_listed_sign_in_client_may_have_issued_the_token():
    token = sign(claims(azp="company-portal"))
    assert Desk().ask([bearer(token), tool_header(sign_tool())]) == KIM_AT_DESK
    assert reason(Desk().ask, [bearer(token), tool_header(sign_tool("fraud-console"))]) == "TOKEN_OTHER_TOOL"


@pytest.mark.parametrize(
    ("metadata", "trust", "uris", "expected"),
    [
        ([], EMBEDDED, None, "TOKEN_MISSING"),
        ([tool_header(sign_tool())], EMBEDDED, None, "TOKEN_MISSING"),
        ([("authorization", "Basic Y3Mua2ltOng=")], MTLS, (DESK_URI,), "TOKEN_MALFORMED"),
        ([("authorization", "Bearer")], MTLS, (DESK_URI,), "TOKEN_MALFORMED"),
        ([("authorization", "")], MTLS, (DESK_URI,), "TOKEN_MALFORMED"),
        ([("authorization", "Bearer  " + sign())], MTLS, (DESK_URI,), "TOKEN_MALFORMED"),
        ([("authorization", f"Bearer {sign()}, Bearer {sign()}")], MTLS, (DESK_URI,), "TOKEN_MALFORMED"),
        ([bearer(sign_tool()), tool_header(sign_tool())], EMBEDDED, None, "TOKEN_TYPE"),
        ([bearer(sign()), tool_header(sign())], EMBEDDED, None, "TOOL_TOKEN_TYPE"),
        ([bearer(sign()), tool_header(sign_tool(exp=NOW // SECOND))], EMBEDDED, None, "TOOL_TOKEN_EXPIRED"),
        ([bearer(sign()), tool_header("")], EMBEDDED, None, "TOOL_TOKEN_MALFORMED"),
        ([bearer(sign()), tool_header(sign_tool("unlisted"))], EMBEDDED, None, "TOOL_UNKNOWN"),
        ([bearer(sign()), tool_header(sign_tool("fraud-console"))], EMBEDDED, None, "TOKEN_OTHER_TOOL"),
        ([bearer(sign(claims(azp="fraud-console"))), tool_header(sign_tool())], EMBEDDED, None, "TOKEN_OTHER_TOOL"),
        ([bearer(sign(claims(azp=None))), tool_header(sign_tool())], EMBEDDED, None, "TOKEN_OTHER_TOOL"),
        ([bearer(sign()), tool_header(sign_tool())], EMBEDDED, (FRAUD_URI,), "TOOL_MISMATCH"),
        ([bearer(sign()), tool_header(sign_tool())], MTLS, (DESK_URI,), "TOOL_TOKEN_NOT_TRUSTED"),
        ([bearer(sign()), tool_header(sign_tool())], BEHIND_PROXY, None, "XFCC_MISSING"),
        ([bearer(sign())], EMBEDDED, None, "TOOL_TOKEN_MISSING"),
        ([bearer(sign())], MTLS, None, "TOOL_CERTIFICATE_MISSING"),
        ([bearer(sign())], MTLS, (), "TOOL_CERTIFICATE_MISSING"),
        ([bearer(sign())], MTLS, (FRAUD_URI,), "TOKEN_OTHER_TOOL"),
        ([bearer(sign())], MTLS, ("spiffe://munjigi.local/tool/unlisted",), "TOOL_UNKNOWN"),
        ([bearer(sign())], MTLS, (DESK_URI + "/",), "TOOL_UNKNOWN"),
        ([bearer(sign())], MTLS, (DESK_URI, FRAUD_URI), "TOOL_CERTIFICATE_URIS"),
        ([bearer(sign())], MTLS, (DESK_URI, DESK_URI), "TOOL_CERTIFICATE_URIS"),
        ([bearer(sign()), bearer(sign())], MTLS, (DESK_URI,), "CREDENTIAL_REPEATED"),
        ([bearer(sign()), tool_header(sign_tool()), tool_header(sign_tool())], EMBEDDED, None, "CREDENTIAL_REPEATED"),
        ([bearer(sign()), xfcc(f"URI={DESK_URI}"), xfcc(f"URI={DESK_URI}")], BEHIND_PROXY, None, "CREDENTIAL_REPEATED"),
        ([bearer(sign()), xfcc(f"URI={DESK_URI}")], EMBEDDED, None, "XFCC_NOT_TRUSTED"),
        ([bearer(sign()), tool_header(sign_tool()), xfcc(f"URI={DESK_URI}")], EMBEDDED, None, "XFCC_NOT_TRUSTED"),
        ([bearer(sign()), xfcc("")], MTLS, (DESK_URI,), "XFCC_NOT_TRUSTED"),
        ([bearer(sign()), xfcc(f"URI={DESK_URI}")], MTLS, (DESK_URI,), "XFCC_NOT_TRUSTED"),
        ([bearer(sign())], BEHIND_PROXY, None, "XFCC_MISSING"),
        ([bearer(sign())], BEHIND_PROXY, (DESK_URI,), "XFCC_MISSING"),
        ([bearer(sign()), xfcc("URI=spiffe://munjigi.local/tool/unlisted")], BEHIND_PROXY, None, "TOOL_UNKNOWN"),
    ],
)
def test_p3_what_is_not_proved_is_refused_and_recorded(metadata, trust, uris, expected):
    desk = Desk()
    assert reason(desk.ask, metadata, uris=uris, trust=trust) == expected
    assert [(record.reason, record.peer, record.count) for record in desk.records] == [(expected, "192.0.2.7", 1)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", "XFCC_MALFORMED"),
        (" ", "XFCC_MALFORMED"),
        ("By=spiffe://gateway;Hash=ab", "XFCC_URI"),
        ("URI=", "XFCC_URI"),
        ('URI=""', "XFCC_URI"),
        ("URI=crm-desk", "XFCC_URI"),
        (f"URI={DESK_URI};URI={DESK_URI}", "XFCC_URI"),
        (f"URI={FRAUD_URI};uri={DESK_URI}", "XFCC_URI"),
        (f"URI={DESK_URI},URI={FRAUD_URI}", "XFCC_ELEMENTS"),
        (f"URI={DESK_URI},", "XFCC_ELEMENTS"),
        (f",URI={DESK_URI}", "XFCC_ELEMENTS"),
        (f"Hash=a;URI={FRAUD_URI},Hash=b;URI={DESK_URI}", "XFCC_ELEMENTS"),
        (f"URI={DESK_URI};", "XFCC_MALFORMED"),
        (f";URI={DESK_URI}", "XFCC_MALFORMED"),
        (f"URI={DESK_URI};;Hash=a", "XFCC_MALFORMED"),
        (f"URI = {DESK_URI}", "XFCC_MALFORMED"),
        (f"XURI={DESK_URI}", "XFCC_MALFORMED"),
        (f'URI="{DESK_URI}', "XFCC_MALFORMED"),
        (f'Subject="CN=a";URI="{DESK_URI}"x', "XFCC_MALFORMED"),
        (f'Subject="a\\";URI={DESK_URI}', "XFCC_MALFORMED"),
        (f"URI={DESK_URI}\x00", "XFCC_MALFORMED"),
        (f"URI={DESK_URI}\r\nURI={FRAUD_URI}", "XFCC_MALFORMED"),
        ("URI=spiffe://münjigi/tool", "XFCC_MALFORMED"),
        (f"URI={DESK_URI};Hash=" + "a" * 20_000, "XFCC_MALFORMED"),
        (f"URI={DESK_URI} ", "XFCC_URI"),
    ],
)
def test_p3_a_forged_or_ambiguous_forwarded_certificate_is_refused(value, expected):
    assert reason(Desk().ask, [bearer(sign()), xfcc(value)], trust=BEHIND_PROXY, peer="unix:") == expected


def test_a_quoted_subject_with_separators_and_a_quoted_uri_are_one_element():
    value = f'Subject="O=A\\"B,C;URI={FRAUD_URI}";URI="{DESK_URI}"'
    assert Desk().ask([bearer(sign()), xfcc(value)], trust=BEHIND_PROXY) == KIM_AT_DESK


@given(st.text(alphabet=st.sampled_from(list('URI=;,"\\ byHash:/.spiffe-tool\x00é')), max_size=60))
@settings(max_examples=300, deadline=None)
def test_fuzz_forwarded_certificates_never_name_a_tool_by_chance(value):
    assert reason(Desk().ask, [bearer("x"), xfcc(value)], trust=BEHIND_PROXY).startswith(("XFCC_", "TOOL_UNKNOWN"))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["authorization", "munjigi-tool-token", "x-forwarded-client-cert", "te"]), st.text() | st.binary()
        ),
        max_size=5,
    ),
    st.text(),
    st.none() | st.tuples() | st.tuples(st.text()),
    st.sampled_from([EMBEDDED, MTLS, BEHIND_PROXY]),
)
@settings(max_examples=300, deadline=None)
def test_fuzz_only_our_two_refusals_come_out(metadata, peer, uris, trust):
    with pytest.raises((Unauthenticated, ResourceExhausted)):
        Desk().ask(metadata, uris=uris, trust=trust, peer=peer)


def test_a_remembered_caller_expires_with_the_shorter_credential():
    desk = Desk()
    metadata = [bearer(sign()), tool_header(sign_tool(exp=NOW // SECOND + 60))]
    assert desk.ask(metadata) == KIM_AT_DESK
    assert desk.ask(metadata, now=NOW + 60 * SECOND - 1) == KIM_AT_DESK
    assert reason(desk.ask, metadata, now=NOW + 60 * SECOND) == "TOOL_TOKEN_EXPIRED"
    assert desk.ask(metadata) == KIM_AT_DESK  # the clock stepped back
    assert reason(desk.ask, metadata, now=NOW - SECOND) == "TOOL_TOKEN_NOT_YET_VALID"


def test_a_remembered_caller_dies_with_the_keys():
    desk = Desk()
    metadata = [bearer(sign()), tool_header(sign_tool())]
    assert desk.ask(metadata) == KIM_AT_DESK
    desk.keys.ring = parse_key_set(key_set("ES256"))
    assert reason(desk.ask, metadata) == "TOOL_KEY_UNKNOWN"
    assert not desk.authenticator._known


def test_a_remembered_caller_dies_with_the_tool():
    desk = Desk()
    metadata = [bearer(sign()), tool_header(sign_tool())]
    assert desk.ask(metadata) == KIM_AT_DESK
    assert reason(desk.ask, metadata, tools={"fraud-console": TOOLS["fraud-console"]}) == "TOOL_UNKNOWN"
    assert desk.ask(metadata) == KIM_AT_DESK
    portal = sign(claims(azp="company-portal"))
    assert desk.ask([bearer(portal), tool_header(sign_tool())]) == KIM_AT_DESK
    assert (
        reason(desk.ask, [bearer(portal), tool_header(sign_tool())], tools={"crm-desk": tool("crm-desk")}) == "TOKEN_OTHER_TOOL"
    )


def test_what_is_remembered_on_one_listener_is_not_believed_on_another():
    desk = Desk()
    metadata = [bearer(sign()), xfcc(f"URI={DESK_URI}")]
    assert desk.ask(metadata, trust=BEHIND_PROXY) == KIM_AT_DESK
    assert reason(desk.ask, metadata, trust=MTLS) == "XFCC_NOT_TRUSTED"
    assert reason(desk.ask, metadata, uris=(DESK_URI,), trust=EMBEDDED) == "XFCC_NOT_TRUSTED"
    assert reason(desk.ask, metadata[:1], trust=MTLS) == "TOOL_CERTIFICATE_MISSING"


def test_a_remembered_caller_has_the_peer_of_each_call():
    desk = Desk()
    metadata = [bearer(sign()), tool_header(sign_tool())]
    assert desk.ask(metadata).peer == "192.0.2.7"
    assert desk.ask(metadata, peer="ipv4:192.0.2.8:1").peer == "192.0.2.8"


def test_the_memory_of_callers_is_bounded():
    desk = Desk(capacity=3)
    for number in range(6):
        desk.ask([bearer(sign(claims(sub=f"u{number}"))), tool_header(sign_tool())])
    assert len(desk.authenticator._known) == 3


def test_no_token_is_kept():
    desk = Desk()
    metadata = [bearer(sign()), tool_header(sign_tool())]
    caller = desk.ask(metadata)
    kept = repr(desk.authenticator._known)
    assert caller.employee.subject in kept
    assert not any(part in kept for _, token in metadata for part in token.split("."))


def test_a_cached_caller_is_found_by_all_that_was_presented():
    desk = Desk()
    desk.ask([bearer(sign()), tool_header(sign_tool())])
    authorization, token = bearer(sign())[1], sign_tool()
    shifted = [("authorization", authorization + token[:1]), ("munjigi-tool-token", token[1:])]  # the same bytes, cut elsewhere
    assert reason(desk.ask, shifted).startswith("TOOL_TOKEN")
    assert reason(desk.ask, [("authorization", authorization)]) == "TOOL_TOKEN_MISSING"


def test_a_name_that_two_tools_share_names_none():
    tools = {"one": tool("crm-desk"), "two": tool("crm-desk")}
    assert reason(Desk().ask, [bearer(sign()), tool_header(sign_tool())], tools=tools) == "TOOL_UNKNOWN"
    assert reason(Desk().ask, [bearer(sign())], uris=(DESK_URI,), trust=MTLS, tools=tools) == "TOOL_UNKNOWN"


def forged(subject: str) -> str:
    """A token that names someone, and that no key of the issuer signed."""
    return sign(claims(sub=subject), key_id="ES256")


def test_a_locked_door_costs_no_signature_and_is_nobody_elses():
    desk = Desk(keys=StaticKeys(), limit=3)
    good = [bearer(sign()), tool_header(sign_tool())]
    assert desk.ask(good) == KIM_AT_DESK
    for _ in range(4):
        assert reason(desk.ask, [bearer(forged("cs.kim")), tool_header(sign_tool())]) == "TOKEN_ALGORITHM"
    assert reason(desk.ask, [bearer(forged("cs.kim")), tool_header(sign_tool())]) == "TOO_MANY_FAILURES"
    assert desk.ask(good) == KIM_AT_DESK  # who was admitted stays so
    fresh = sign(claims(jti="fresh"))
    assert reason(desk.ask, [bearer(fresh), tool_header(sign_tool())]) == "TOO_MANY_FAILURES"
    # Colleagues at the same tool and address, the account from elsewhere, and through another tool, are as before.
    assert desk.ask([bearer(sign(claims(sub="cs.lee"))), tool_header(sign_tool())]).employee.subject == "cs.lee"
    assert desk.ask([bearer(fresh), tool_header(sign_tool())], peer="ipv4:192.0.2.8:1") == KIM_AT_DESK._replace(peer="192.0.2.8")
    other = [bearer(sign(claims(azp="fraud-console"))), tool_header(sign_tool("fraud-console"))]
    assert desk.ask(other).tool == "fraud-console"
    assert desk.ask([bearer(sign(claims(jti="later"))), tool_header(sign_tool())], now=NOW + SECOND) == KIM_AT_DESK
    assert [(each.reason, each.tool, each.count) for each in desk.records if isinstance(each, LockoutRecord)] == [
        ("TOKEN_ALGORITHM", "crm-desk", 4)
    ]


def test_a_lock_names_the_employee_only_where_a_signature_did():
    desk = Desk(limit=1)
    for token in (forged("cs.kim"), forged("cs.kim"), sign(claims(sub="cs.lee", azp="x")), sign(claims(sub="cs.lee", azp="x"))):
        reason(desk.ask, [bearer(token), tool_header(sign_tool())])
    locks = [each for each in desk.records if isinstance(each, LockoutRecord)]
    assert [(each.reason, each.issuer, each.employee) for each in locks] == [
        ("TOKEN_ALGORITHM", "", ""),
        ("TOKEN_OTHER_TOOL", ISSUER, "cs.lee"),
    ]


def test_nothing_that_is_no_guess_locks_a_door():
    desk = Desk(limit=1)
    expired = sign(claims(exp=NOW // SECOND - 1))
    for metadata, expected in (
        ([tool_header(sign_tool())], "TOKEN_MISSING"),
        ([bearer(expired), tool_header(sign_tool())], "TOKEN_EXPIRED"),
        ([bearer(sign(key_id="nobody")), tool_header(sign_tool())], "KEY_UNKNOWN"),
        ([bearer(sign())], "TOOL_TOKEN_MISSING"),
        ([bearer(sign()), tool_header(sign_tool()), xfcc(f"URI={DESK_URI}")], "XFCC_NOT_TRUSTED"),
    ):
        for _ in range(5):
            assert reason(desk.ask, metadata) == expected
    assert desk.ask([bearer(sign()), tool_header(sign_tool())]) == KIM_AT_DESK


def test_a_failing_tool_behind_the_proxy_does_not_throttle_its_neighbours():
    desk = Desk(limit=3)
    for _ in range(5):
        reason(desk.ask, [bearer("x"), xfcc(f"URI={FRAUD_URI}")], trust=BEHIND_PROXY, peer="unix:")
    assert reason(desk.ask, [bearer("x"), xfcc(f"URI={FRAUD_URI}")], trust=BEHIND_PROXY, peer="unix:") == "TOO_MANY_FAILURES"
    assert desk.ask([bearer(sign()), xfcc(f"URI={DESK_URI}")], trust=BEHIND_PROXY, peer="unix:").tool == "crm-desk"


def test_p5_records_of_failures_name_no_employee_and_no_token():
    desk = Desk()
    for metadata in (
        [bearer(sign(claims(azp="x"))), tool_header(sign_tool())],
        [bearer("secret-token")],
        [bearer(sign()), xfcc("URI=s")],
    ):
        reason(desk.ask, metadata)
    text = repr(desk.records)
    assert len(desk.records) == 3
    assert desk.records[0].tool == "crm-desk"
    assert not any(word in text for word in ("cs.kim", "secret", "eyJ", "URI"))


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:5000", "127.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[::1]:5000", "::1"),
        ("ipv6:%5B2001:DB8:0:0::7%5D:1", "2001:db8::7"),
        ("ipv6:%5B::ffff:192.0.2.9%5D:1", "192.0.2.9"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", "fe80::1"),
        ("unix:/run/munjigi.sock", "local"),
        ("unix:", "local"),
        ("unix-abstract:x", "local"),
        ("", "unknown"),
        ("ipv4:", "unknown"),
        ("ipv4:999.0.0.1:1", "unknown"),
        ("vsock:1:2", "unknown"),
    ],
)
def test_a_peer_becomes_an_address(peer, address):
    assert address_of(peer) == address


def test_p8_a_session_that_ended_is_over_for_remembered_callers_too():
    desk, person = Desk(), Person("p.kim", "employee", "cs", (EmployeeKey(ISSUER, "cs.kim"),))
    second = NOW // SECOND
    mine = sign(claims(sid="s-1", iat=second - 60))
    for token in (mine, sign(claims(sid="s-2", iat=second - 60)), sign(claims(sub="cs.lee", sid="s-3", iat=second - 60))):
        desk.ask([bearer(token), tool_header(sign_tool())])

    def ended(token: str, sessions: GrantTable) -> bool:
        try:
            desk.ask([bearer(token), tool_header(sign_tool())], sessions=sessions)
        except Unauthenticated as error:
            return error.reason == "SESSION_ENDED"
        return False

    none = GrantTable.build((), (person,), 1)
    until = NOW + 1000 * SECOND
    session = none.with_session_end(SessionEnd(ISSUER, "cs.kim", "s-1", NOW, until), 2)
    whole = none.with_session_end(SessionEnd(ISSUER, "cs.kim", "", NOW - 30 * SECOND, until), 2)
    left = none.with_person(replace(person, sessions_from=NOW - 30 * SECOND), 2)
    tokens = {
        "mine": mine,
        "my other session": sign(claims(sid="s-2", iat=second - 60)),
        "mine, later": sign(claims(sid="s-4", iat=second - 29)),
        "without a session": sign(claims(iat=second - 60)),
        "without times": sign(),
        "somebody else's": sign(claims(sub="cs.lee", sid="s-3", iat=second - 60)),
    }
    found = {name: [ended(token, table) for table in (none, session, whole, left)] for name, token in tokens.items()}
    assert found == {
        "mine": [False, True, True, True],
        "my other session": [False, False, True, True],
        "mine, later": [False, False, False, False],
        "without a session": [False, False, True, True],
        "without times": [False, False, True, True],
        "somebody else's": [False, False, False, False],
    }
    assert "SESSION_ENDED" in {each.reason for each in desk.records}


def test_ends_that_ran_out_are_let_go_now_and_then():
    table = GrantTable.build((), (), 0)
    for number in range(5000):
        table = table.with_session_end(SessionEnd(ISSUER, "", f"s-{number}", number, number + 100), number + 1)
    assert len(table._parts.ends) < 1300
    assert table.session_ended(EmployeeKey(ISSUER, "cs.kim"), "s-4999", 0)
