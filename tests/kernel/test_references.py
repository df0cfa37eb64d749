"""P5: members appear as keyed references, and one member has one reference."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from munjigi.kernel.errors import ConfigurationError, InvalidArgument
from munjigi.kernel.references import MemberReferences, NameDigests, canonical_serial

KEY = bytes(range(32))
REFERENCES = MemberReferences(KEY)


def test_p5_a_reference_is_the_documented_hmac() -> None:
    (found,) = REFERENCES.of("crm.member", ["1000001"], "integer")
    digest = hmac.new(KEY, b"crm.member\x001000001", hashlib.sha256).digest()[:16]
    key_id = hashlib.sha256(b"munjigi member key\x00" + KEY).hexdigest()[:8]
    assert found == f"m1.{key_id}." + base64.b32encode(digest).decode().rstrip("=").lower()
    assert re.fullmatch(r"m1\.[0-9a-f]{8}\.[a-z2-7]{26}", found)


@given(st.integers(0, 10**19), st.integers(0, 5))
def test_one_number_has_one_reference_however_it_is_padded(number: int, zeros: int) -> None:
    padded = "0" * zeros + str(number)
    if len(padded) <= 20:
        assert REFERENCES.of("crm.member", [padded, str(number)], "integer") == REFERENCES.of(
            "crm.member", [str(number)], "integer"
        )


def test_text_keys_are_compared_in_nfc() -> None:
    composed, decomposed = "한", "\u1112\u1161\u11ab"
    assert composed != decomposed
    assert len(REFERENCES.of("crm.member", [composed, decomposed], "text")) == 1


def test_tables_and_keys_part_references() -> None:
    other = MemberReferences(bytes(32))
    found = {
        *REFERENCES.of("crm.member", ["1"], "integer"),
        *REFERENCES.of("crm.order", ["1"], "integer"),
        *other.of("crm.member", ["1"], "integer"),
    }
    assert len(found) == 3
    assert other.key_id != REFERENCES.key_id


@pytest.mark.parametrize("serial", ["", "-1", "+1", " 1", "1 ", "1.0", "\uff11", "1" * 21, "1\0"])
def test_what_is_no_whole_number_is_refused_without_repeating_it(serial: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        canonical_serial(serial, "integer")
    assert refused.value.reason == "MEMBER_ID_INVALID"
    assert serial.strip() in ("", "1") or serial not in refused.value.message


@given(st.text(max_size=80))
def test_any_text_is_a_serial_or_our_error(serial: str) -> None:
    for kind in ("integer", "text"):
        try:
            canonical_serial(serial, kind)
        except InvalidArgument:
            continue


def test_p10_a_short_key_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        MemberReferences(b"short")


@given(st.text())
def test_unknown_names_become_digests(name: str) -> None:
    digest = NameDigests(KEY).of(name)
    assert re.fullmatch(r"d1\.[0-9a-f]{16}", digest)
    assert digest == NameDigests(KEY).of(name)
    assert digest != NameDigests(bytes(32)).of(name)
