"""The process that reads, compiles and tests policy homes, so that the one that decides never has to.

It takes requests on standard input and answers on standard output, in frames: length (4 bytes, big-endian), then a
pickle, or for a bundle its shards and then the outcome. It ends when its input does.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Literal, cast

from munjigi.adapters.policy_files import read_policy_home, store_bundle
from munjigi.adapters.policy_git import last_author
from munjigi.app import logs
from munjigi.app.child import step_aside
from munjigi.app.policy_build import build
from munjigi.app.policy_handover import shards
from munjigi.app.policy_orders import LENGTH, OUTCOME, Difference, Order, Outcome, internal, not_kept
from munjigi.kernel.errors import Corruption, MunjigiError
from munjigi.kernel.personal import looks_personal
from munjigi.policy.canonical import files_of, revision_of
from munjigi.policy.rules import POLICY_FILE
from munjigi.policy.types import PolicyBundle, Problem

_LOGGER: Final = logging.getLogger("munjigi.policy")


def main() -> int:
    """Serve orders until standard input ends."""
    os.umask(0o077)
    step_aside()
    level, style = sys.argv[1:]
    logs.set_up("policy", level, cast("Literal['text', 'json']", style))
    orders, answers = sys.stdin.buffer, sys.stdout.buffer
    while header := orders.read(LENGTH):
        order: Order = pickle.loads(orders.read(int.from_bytes(header)))  # noqa: S301 - the worker that started us wrote it
        gc.disable()  # most of what a compilation makes stays until its end
        _send(answers, OUTCOME + pickle.dumps(_obey(order, answers)))
        answers.flush()
        gc.enable()
        gc.collect()
    return 0


def _obey(order: Order, answers: IO[bytes]) -> Outcome:
    """Do what is ordered; no edit of a policy file may end this process."""
    try:
        return _load(order, answers)
    except MunjigiError as error:
        return Outcome((Problem("", 0, 0, "error", error.reason, error.message),))
    except OSError:
        return Outcome((not_kept(),))
    except Exception as error:  # noqa: BLE001 - whatever it is, the last good policy stays
        _LOGGER.error("the policy home could not be compiled", extra={"error": type(error).__name__})  # noqa: TRY400
        return Outcome((internal(),))


def _load(order: Order, answers: IO[bytes]) -> Outcome:
    home = Path(order.home)
    if order.files is not None:
        files, source = order.files, "validated"
    else:
        found = read_policy_home(home, order.mode)
        files, source = dict(found.files), found.source
    if order.before and revision_of(files) == order.before:
        return Outcome((), order.before, source)
    bundle, problems, run, asked, not_run = build(files, source)
    if bundle is None:
        return Outcome(problems, source=source, tests_run=run, asked=asked, not_run=not_run)
    outcome = Outcome(problems, bundle.revision, source, tests_run=run, asked=asked, not_run=not_run)
    if not order.before:
        return outcome
    kept = Path(order.kept)
    difference = _difference(kept / f"{order.before}.bundle", bundle)
    store_bundle(kept, bundle)
    for shard in shards(bundle):
        _send(answers, shard)
    author = last_author(home) if source.isalnum() else ""
    author = "" if looks_personal(author) else author
    return outcome._replace(author=author, difference=difference)


def _difference(before: Path, bundle: PolicyBundle) -> Difference:
    try:
        old = files_of(before.read_bytes())
    except (OSError, Corruption):
        return Difference()  # the revision in force is not kept here any more; the record says from which one it came
    was, now = _lines(old), _lines(bundle.files)
    changed = sorted(path for path in old.keys() | bundle.files.keys() if old.get(path) != bundle.files.get(path))
    return Difference((now - was).total(), (was - now).total(), tuple(changed))


def _lines(files: Mapping[str, bytes]) -> Counter[bytes]:
    lines = (line.strip() for line in files.get(POLICY_FILE, b"").split(b"\n"))
    return Counter(line for line in lines if line and not line.startswith(b"#"))


def _send(stream: IO[bytes], frame: bytes) -> None:
    stream.write(len(frame).to_bytes(LENGTH))
    stream.write(frame)


if __name__ == "__main__":
    sys.exit(main())
