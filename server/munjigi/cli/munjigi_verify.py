#!/usr/bin/env python3
"""Check an evidence pack of Munjigi without Munjigi: one file, Python 3.8 or newer, nothing to install, no network.

    python3 munjigi_verify.py PACK --key VERIFICATION_KEY [--witness VERIFICATION_KEY]

The key is the one that the installation published before (keys/seal.vkey), from your own files and not from whoever
gave you the pack. With --witness the checkpoint must also bear that witness's co-signature. Exit code 0: every record
of the pack is exactly as it was sealed. 5: something is not, and it is named. 2: the call was wrong.

What is checked: the checkpoint is signed (Ed25519, RFC 8032, as a signed note of c2sp.org); each record's bytes are a
leaf of its log's tree at the place that its id says; that tree's root is a leaf of the installation's tree; and that
tree's root is the one that the checkpoint bears (Merkle trees of RFC 6962, proofs as in RFC 9162, section 2.1.3.2).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import struct
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

FORMAT = "munjigi-evidence/1"
SIGNED, COSIGNED = 1, 4
Point = Tuple[int, int, int, int]
Key = Tuple[str, int, bytes, bytes]  # name, kind, public bytes, key id
Signed = Tuple[str, int, bytes, List[Key]]  # origin, size, root, keys that signed


class Wrong(Exception):
    """Something does not hold; the text says what."""


# Ed25519, RFC 8032, section 5.1: verification only, so that no secret passes through here.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a: Point, b: Point) -> Point:
    """Add two points in extended coordinates."""
    i, j = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    k, m = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = j - i, m - k, m + k, j + i
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    """Multiply a point."""
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = add(found, point)
        point, number = add(point, point), number >> 1
    return found


def point_of(data: bytes) -> Point:
    """Decode a point (section 5.1.3)."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        raise Wrong("a signature or key is damaged")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Wrong("a signature or key is damaged")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_of(bytes([0x58]) + bytes([0x66]) * 31)


def verifies(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the signature is good (section 5.1.7)."""
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= ORDER:
        return False
    key, commitment = point_of(public), point_of(signature[:32])
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    left, right = times(scalar, BASE), add(commitment, times(digest, key))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def decoded(text: str, what: str, length: Optional[int] = None) -> bytes:
    """Decode base64 that has one form only."""
    try:
        content = base64.b64decode(text, validate=True)
        if base64.b64encode(content).decode() == text and length in (None, len(content)):
            return content
    except (ValueError, TypeError):
        pass
    raise Wrong(what + " is damaged")


def key_of(text: str) -> Key:
    """Read a verification key: (name, kind, public bytes, key id)."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    content = decoded(encoded, "the verification key", 33)
    made = made_key(name, content[0], content[1:])
    if made[3].hex() != key_id or content[0] not in (SIGNED, COSIGNED):
        raise Wrong("the verification key is damaged")
    return made


def made_key(name: str, kind: int, public: bytes) -> Key:
    """Put a key together."""
    return name, kind, public, hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def checkpoint_of(note: str, keys: List[Key], what: str) -> Signed:
    """Return (origin, size, root, lines of signatures by key) of a note that one of `keys` has signed."""
    text, blank, rest = note.rpartition("\n\n")
    text, signatures = text + "\n", []
    for line in rest.splitlines(True):
        found = re.fullmatch("— ([^\\s+]+) ([A-Za-z0-9+/=]+)\n", line)
        if not found:
            raise Wrong(what + " has a damaged line of signature")
        signatures.append((found[1], decoded(found[2], "a signature of " + what)))
    lines = text.split("\n")
    if not blank or len(lines) != 4 or not re.fullmatch("[1-9][0-9]{0,18}", lines[1]):
        raise Wrong(what + " is damaged")
    origin, size, root = lines[0], int(lines[1]), decoded(lines[2], "the root of " + what, 32)
    # munjigi/ID signs as munjigi/ID/2-... once it was restored from a backup: another name, the same keys.
    same = [key for key in keys if key[1] == SIGNED and key[0].split("/")[:2] == origin.split("/")[:2]]
    keys = keys + [made_key(origin, SIGNED, key[2]) for key in same if key[0] != origin]
    good = []
    for name, content in signatures:
        for key in keys:
            if (name, content[:4]) == (key[0], key[3]):
                signature, message = content[4:], text.encode()
                if key[1] == COSIGNED:
                    seconds = int.from_bytes(signature[:8], "big")
                    signature, message = signature[8:], ("cosignature/v1\ntime %d\n%s" % (seconds, text)).encode()
                if not verifies(key[2], message, signature):
                    raise Wrong("%s bears a false signature of %s" % (what, name))
                good.append(key)
    if not any(key[1] == SIGNED and key[0] == origin for key in good):
        raise Wrong("%s is not signed with the given key" % what)
    return origin, size, root, good


def climb(leaf: bytes, index: int, size: int, proof: List[str], what: str) -> bytes:
    """Return the root that an inclusion proof leads to."""
    at, last, found = index, size - 1, hashlib.sha256(b"\x00" + leaf).digest()
    if not 0 <= index < size:
        raise Wrong(what + " lies outside of its tree")
    for text in proof:
        each = decoded(text, "the proof of " + what, 32)
        if last == 0:
            raise Wrong("the proof of %s is too long" % what)
        left = bool(at & 1 or at == last)
        found = hashlib.sha256(b"\x01" + (each + found if left else found + each)).digest()
        while left and not at & 1 and at:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if last:
        raise Wrong("the proof of %s is too short" % what)
    return found


def unpacked(data: bytes, at: int = 0) -> Tuple[Any, int]:
    """Decode one MessagePack value: (value, offset after it)."""
    kind, at = data[at], at + 1
    if kind < 0x80 or kind >= 0xE0:
        return (kind if kind < 0x80 else kind - 256), at
    if kind in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[kind], at
    if 0xCA <= kind <= 0xD3:
        form = ">" + "fdBHIQbhiq"[kind - 0xCA]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if kind < 0xC0:
        shape, count = (kind >> 4, kind & 15) if kind < 0xA0 else (10, kind & 31)
    else:
        kinds = (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF)
        spelled = dict(zip(kinds, ["cB", "cH", "cI", "aB", "aH", "aI", "9H", "9I", "8H", "8I"]))
        shape, form = int(spelled[kind][0], 16), ">" + spelled[kind][1]
        count, at = struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if shape >= 10:
        content = data[at : at + count]
        return (content.decode() if shape == 10 else content.hex()), at + count
    values = []
    for _ in range(count * (2 if shape == 8 else 1)):
        value, at = unpacked(data, at)
        values.append(value)
    return (dict(zip(values[::2], values[1::2])) if shape == 8 else values), at


def line_of(text: str, names: List[str]) -> Dict[str, Any]:
    """Read a line of the pack, which has one form only."""
    try:
        content = json.loads(text)
        same = json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n" == text
    except (ValueError, RecursionError):
        same = False
    if not same or not isinstance(content, dict) or list(content) != names:
        raise Wrong("its line in the pack is damaged")
    return content


def header(text: str, keys: List[Key]) -> Signed:
    """Check the first line; return (origin, size, root, keys that signed)."""
    content = line_of(text, [FORMAT, "keys"])
    keys = list(keys)
    for change in content["keys"]:
        try:
            origin, size, root, _ = checkpoint_of(change["checkpoint"], keys, "a change of key")
        except Wrong:
            continue  # one from before the given key
        public = decoded(change["key"], "a changed key", 32)
        entry = struct.pack(">B20sQ32s", 1, bytes(20), change["time"], public)
        if climb(entry, change["entry"], size, change["proof"], "a changed key") != root:
            raise Wrong("a change of key is not part of the checkpoint that announces it")
        keys.append(made_key(origin, SIGNED, public))
    return checkpoint_of(content[FORMAT], keys, "the checkpoint")


def check(text: str, size: int, root: bytes) -> Tuple[str, Dict[str, Any]]:
    """Check the line of one record; return its id and content."""
    content = line_of(text, ["id", "record", "proof", "head"])
    log_id, _, index = content["id"].rpartition("-")
    head, record = content["head"], decoded(content["record"], "the record")
    log_root = decoded(head["root"], "the head", 32)
    if climb(record, int(index), head["size"], content["proof"], "the record") != log_root:
        raise Wrong("the record is not the one that was sealed at its place")
    entry = struct.pack(">B20sQ32s", 0, log_id.encode("ascii"), head["size"], log_root)
    if climb(entry, head["entry"], size, head["proof"], "the log's head") != root:
        raise Wrong("the head of its log is not part of the checkpoint")
    found, end = unpacked(record)
    if end != len(record) or found["index"] != int(index) or content["id"] != "%s-%d" % (log_id, found["index"]):
        raise Wrong("the record says that it lies elsewhere")
    return content["id"], found


def attempt(work: Callable[..., Any], *arguments: Any) -> Tuple[Any, str]:
    """Run a check; whatever a forged pack breaks is wrong with the pack."""
    try:
        return work(*arguments), ""
    except Wrong as wrong:
        return None, str(wrong)
    except Exception as error:
        return None, "its line in the pack is damaged (%s)" % type(error).__name__


def show(name: str, record: Dict[str, Any]) -> None:
    """Print a record for people."""
    print("verified  %s  %s" % (name, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.get("time", 0) // 10**9))))
    for field, value in record.items():
        print("          %s: %s" % (field, json.dumps(value, ensure_ascii=False)))


def main(arguments: Optional[List[str]] = None) -> int:
    """Check a pack; return the exit code."""
    parser = argparse.ArgumentParser(description="Check an evidence pack of Munjigi.")
    parser.add_argument("pack")
    parser.add_argument("--key", required=True, action="append", help="the installation's verification key")
    parser.add_argument("--witness", default=[], action="append", help="a witness whose co-signature must be there")
    parser.add_argument("--quiet", action="store_true", help="print the result only, not the records")
    options = parser.parse_args(arguments)
    try:
        keys, witnesses = [key_of(each) for each in options.key], [key_of(each) for each in options.witness]
        with open(options.pack, encoding="utf-8", errors="replace", newline="\n") as file:
            lines = re.findall("[^\n]*\n|[^\n]+", file.read())
    except (Wrong, OSError) as error:
        print("not checked: %s" % error)
        return 2
    names = [(re.findall('"id":"([^"]*)"', line) or ["the record of line %d" % at])[0] for at, line in enumerate(lines[1:], 2)]
    top, problem = attempt(header, lines[0] if lines else "", keys + witnesses)
    if not problem:
        problem = "".join("the checkpoint is not co-signed by " + each[0] for each in witnesses if each not in top[3])
    if problem or len(lines) < 2:
        said = problem or "the pack holds no record"
        print("NOT VERIFIED: %s; nothing in the pack is proved: %s" % (said, ", ".join(names) or "no record"))
        return 5
    bad = 0
    for name, line in zip(names, lines[1:]):
        found, problem = attempt(check, line, top[1], top[2])
        if problem:
            bad += 1
            print("NOT VERIFIED: %s: %s" % (name, problem))
        elif not options.quiet:
            show(*found)
    print("%d of %d records verified, under checkpoint %d of %s" % (len(names) - bad, len(names), top[1], top[0]))
    if top[0].startswith("munjigi-synthetic/"):
        print("SYNTHETIC: people and records of this installation are made up; nothing of this ever happened")
    return 5 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
