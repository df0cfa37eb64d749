"""A witness: it co-signs checkpoints of an installation that only ever grow, and remembers the last one.

The protocol is c2sp.org/tlog-witness. An installation whose history was rewritten, by whoever holds its key and
its disk, can't get another history co-signed: that is what tells a theft of the key apart from a good day.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from munjigi.audit.seal import merkle
from munjigi.audit.seal.merkle import EMPTY, HASH
from munjigi.audit.seal.note import MAX_NOTE, Checkpoint, Note, SigningKey, VerifierKey
from munjigi.kernel.errors import InvalidArgument

SIZE_TYPE: Final = "text/x.tlog.size"
MAX_REQUEST: Final = MAX_NOTE + 8 * 1024  # bytes
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})\Z")
_MAX_PROOF: Final = 63  # hashes


class Answer(NamedTuple):
    """An HTTP status and its body; `kind` is the content type."""

    status: int
    body: str = ""
    kind: str = "text/plain; charset=utf-8"


class LastSeen(Protocol):
    """Where a witness keeps, for each origin, the last checkpoint that it co-signed."""

    def get(self, origin: str) -> Checkpoint | None:
        """Return the last one."""
        ...

    def put(self, checkpoint: Checkpoint) -> None:
        """Keep another one; durable on return."""
        ...


class Submission(NamedTuple):
    """What a log sends: the size that it believes the witness to have, the proof from there, and the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    @classmethod
    def parse(cls, body: str) -> Submission:
        """Read the body of a request. Raises `InvalidArgument`."""
        head, blank, rest = body.partition("\n\n")
        lines = head.split("\n")
        found = _OLD.match(lines[0])
        try:
            proof = tuple(base64.b64decode(line, validate=True) for line in lines[1:])
        except (binascii.Error, ValueError):
            found = None
        if found is None or not blank or len(proof) > _MAX_PROOF or any(len(each) != HASH for each in proof):
            raise InvalidArgument("SUBMISSION_INVALID", "Send `old SIZE`, the proof's hashes, an empty line and the checkpoint.")
        return cls(int(found[1]), proof, Note.parse(rest))

    def __str__(self) -> str:
        """Return the body."""
        return "".join(
            (f"old {self.old}\n", *(f"{base64.b64encode(each).decode()}\n" for each in self.proof), "\n", str(self.note))
        )


def add_checkpoint(
    body: str,
    known: Mapping[str, Sequence[VerifierKey]],
    seen: LastSeen,
    key: SigningKey,
    seconds: Callable[[], int],
) -> Answer:
    """Answer `POST /add-checkpoint`. `known` are the keys of each origin, `seconds` the UTC time since 1970.

    One call at a time for an origin: the check and the keeping belong together.
    """
    try:
        submission = Submission.parse(body)
        checkpoint = Checkpoint.parse(submission.note.text)
    except InvalidArgument as error:
        return Answer(400, f"{error.message}\n")
    keys = known.get(checkpoint.origin)
    if keys is None:
        return Answer(404, "This witness does not know the origin.\n")
    if not any(each.signed(submission.note) for each in keys):
        return Answer(403, "No signature of a known key of this origin.\n")
    if submission.old > checkpoint.size:
        return Answer(400, "The old size is larger than the checkpoint's.\n")
    last = seen.get(checkpoint.origin) or Checkpoint(checkpoint.origin, 0, EMPTY)
    if submission.old != last.size or (checkpoint.size == last.size and checkpoint.root != last.root):
        return Answer(409, f"{last.size}\n", SIZE_TYPE)
    if not merkle.consistent(last.size, checkpoint.size, submission.proof, last.root, checkpoint.root):
        return Answer(422, "The proof does not lead from the old checkpoint to this one: the history was changed.\n")
    if checkpoint.size > last.size:
        seen.put(checkpoint)
    return Answer(200, key.cosign(submission.note.text, seconds()))
