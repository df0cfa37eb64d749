"""Records go at the end of their retention, never before, never half, and what is left proves that nothing else is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from app import retiring
from app.retiring import COUNT, CUT, NOW, STEP, copy_of, first_of, make, payloads_of, ready, removals, retire, verified, write
from audit.conformance_index import ids
from audit.support import TickingClock, access, open_journal
from msgspec.structs import replace
from seal import naive
from seal.installation import KEY, seal_all

from doubles.index_memory import MemoryAuditIndex
from doubles.metrics import MemorySink
from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.app import traffic
from munjigi.app.config import load_settings
from munjigi.app.files import StateFolder
from munjigi.app.recent_reads import recall
from munjigi.audit import mark, packed, removal, segment
from munjigi.audit.follow import Epochs, follow_once
from munjigi.audit.reader import JournalReader
from munjigi.audit.records import RemovedRecord, decode
from munjigi.audit.seal.check import check_seal
from munjigi.audit.seal.pack import evidence
from munjigi.audit.seal.reader import SealReader
from munjigi.cli import munjigi_verify
from munjigi.kernel.errors import ConfigurationError, Corruption, FailedPrecondition, NotFound
from munjigi.rpc.pending import PendingReads

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made") / "state")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "state")


@pytest.fixture
def short(folder: Path) -> Path:
    """The log after a removal, sealed again."""
    assert retire(folder.parents[1]) == 5
    ready(folder.parents[1])
    return folder


def test_what_is_older_than_the_cut_goes_with_whole_segments_and_a_record_says_so(folder: Path, made: Path) -> None:
    sink = MemorySink()
    count = retire(folder.parents[1], sink=sink)
    first = first_of(folder)
    before = payloads_of(made)
    young = next(index for index, payload in before if decode(payload).time >= CUT)
    names = segment.names(made)
    assert first == max(segment.first_index_of(name) for name in names if segment.first_index_of(name) <= young)
    assert young - first < 30  # all but a part of one segment
    assert count == len(names) - len([name for name in names if segment.first_index_of(name) >= first])
    assert segment.names(folder)[0] == segment.name_of(first)
    (record,) = removals(folder)
    root = naive.mth([payload for _, payload in before[:first]])
    assert (record.first_index, record.next_index, record.root, record.cut) == (0, first, root.hex(), CUT)
    assert (record.years, record.archived) == (2, False)
    assert "art. 8(1)" in record.article
    assert payloads_of(folder)[: COUNT - first] == before[first:]
    assert sink.values["munjigi_retention_removed_segments_total",] == count
    found = verified(folder)
    assert (found.intact, found.problem, found.first, found.records) == (True, "", first, COUNT + 1 - first)
    assert retire(folder.parents[1]) == 0


def test_nothing_goes_without_the_setting_or_before_it_is_sealed_and_packed(folder: Path, tmp_path: Path) -> None:
    state = folder.parents[1]
    assert retire(state, retention_years=0) == 0
    StateFolder(tmp_path / "plain").make()
    plain = write(tmp_path / "plain")
    assert retire(plain.parents[1]) == 0
    seal_all(plain.parents[1])
    assert retire(plain.parents[1]) == 0
    shutil.move(state / "seal", tmp_path / "seal")
    assert retire(state) == 0
    assert first_of(folder) == first_of(plain) == 0


def test_later_more_goes_and_only_what_is_under_the_seal(folder: Path) -> None:
    state = folder.parents[1]
    retire(state)
    first = first_of(folder)
    clock = TickingClock(NOW + STEP)
    write(state, 60, first=COUNT + 1, clock=clock)
    later = NOW + 62 * STEP
    retire(state, at=later)
    second = first_of(folder)
    assert second > first
    retire(state, at=later + 300 * STEP, use=_believed)
    third = first_of(folder)
    assert third <= COUNT  # the seal ends there
    ready(state)
    retire(state, at=later + 300 * STEP, use=_believed)
    assert first_of(folder) > third
    assert verified(folder).intact


def test_a_slot_that_nobody_serves_any_more_is_seen_to_by_the_first_worker(folder: Path) -> None:
    state = folder.parents[1]
    other = write(state, slot=1)
    ready(state)
    expected = first_of(other)
    assert expected == 0
    assert retire(state, workers=2) == 5
    assert first_of(other) == 0  # its own worker's
    count = retire(state, workers=1)
    assert count > 0
    assert first_of(other) > 0
    (record,) = removals(other)
    assert (record.first_index, record.next_index) == (0, first_of(other))
    known = mark.read(other)
    assert known is not None
    assert known.clean
    ready(state)
    assert verified(other).intact
    assert retire(state, workers=1) == 0


async def _believed(retention: Any, _journal: Any) -> None:
    """There was a long standstill, and the clock is right."""
    retention._require_clock = lambda _now: None


def test_a_clock_that_leapt_removes_nothing(folder: Path) -> None:
    state = folder.parents[1]
    with pytest.raises(FailedPrecondition, match="Set the clock"):
        retire(state, at=NOW + 400 * STEP)

    async def leap(retention: Any, _journal: Any) -> None:
        retention._monotonic = lambda: NOW

        retention._clock.at += 365 * retiring.DAY

    with pytest.raises(FailedPrecondition, match="leapt"):
        retire(state, use=leap)
    assert first_of(folder) == 0


@pytest.mark.parametrize(
    ("years", "profile", "fine"), [(0, "large", True), (1, "large", False), (2, "large", True), (1, "ordinary", True)]
)
def test_p10_a_retention_below_the_legal_floor_is_refused_with_the_article(
    years: int, profile: str, fine: bool, tmp_path: Path
) -> None:
    options = {"retention_years": years, "retention_profile": profile, "state_dir": tmp_path}
    if fine:
        assert load_settings(options).retention_years == years
        return
    with pytest.raises(ConfigurationError, match=r"two years.*art\. 8\(1\).*MUNJIGI_RETENTION_YEARS to 2"):
        load_settings(options)


# ---- Readers ---------------------------------------------------------------------------------------------------------


def test_a_reader_that_stands_in_what_is_removed_goes_on_and_others_are_told(folder: Path, made: Path) -> None:
    with closing(JournalReader(folder)) as log:
        assert len(log.read(0, 5)) == 5
        retire(folder.parents[1])
        first = log.first()
        assert first == first_of(folder) > 5
        for index in (0, 5, first - 1):
            with pytest.raises(NotFound, match=f"Record {folder.name}-{index} was removed.*record {folder.name}-{COUNT} says"):
                log.read(index, 1)
        assert log.read(first, 3) == payloads_of(made)[first : first + 3]


def test_whoever_reads_back_stops_where_the_log_begins(short: Path) -> None:
    with closing(JournalReader(short)) as log:
        assert recall(log, COUNT + 1, PendingReads(), NOW) == 0
    decisions = [record.index for _, record in traffic._decisions(short.parent, 0)]
    assert decisions == list(range(first_of(short), COUNT))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_index_forgets_what_was_removed_and_is_made_again_from_what_is_left(folder: Path, kind: str, tmp_path: Path) -> None:
    def index_of(name: str) -> Any:
        return MemoryAuditIndex() if kind == "memory" else SqliteAuditIndex(tmp_path / name)

    index, seen, log = index_of("one"), Epochs(), JournalReader(folder)
    behind, other = index_of("two"), Epochs()
    while follow_once([log], index, 100, seen):
        pass
    follow_once([log], behind, 10, other)
    retire(folder.parents[1])
    first = first_of(folder)
    for each, epochs in ((index, seen), (behind, other), (fresh := index_of("three"), Epochs())):
        while follow_once([log], each, 100, epochs):
            pass
        assert ids(each) == [f"{folder.name[0]}{number}" for number in range(COUNT, first - 1, -1)]
        assert each.payload(folder.name, first - 1) is None
        assert each.payload(folder.name, first) == payloads_of(folder)[0][1]
    gone = "m1.01234567." + f"{first - 1:026d}"
    assert ids(fresh, members=(gone,)) == ids(index, members=(gone,)) == []
    for opened in (log, index, behind, fresh):
        opened.close()


def test_the_seal_goes_on_and_its_tree_is_made_again_but_for_what_is_gone(short: Path) -> None:
    state = short.parents[1]
    tree = state / "seal" / "logs" / short.name
    (tree / "1").unlink(missing_ok=True)
    leaves = (tree / "0").read_bytes()
    (tree / "0").write_bytes(leaves[:-320] + bytes(320))  # damaged where the log can tell
    journal = open_journal(state, clock=TickingClock(NOW + STEP))
    journal.append(access(1))
    journal.close()
    assert seal_all(state) is not None
    assert (tree / "0").read_bytes()[: len(leaves)] == leaves
    assert verified(short).intact
    (tree / "0").write_bytes(bytes(32) + leaves[32:])  # damaged where nobody can
    journal = open_journal(state, clock=TickingClock(NOW + 2 * STEP))
    journal.append(access(2))
    journal.close()
    with pytest.raises(Corruption, match="differs from its sealed"):
        seal_all(state)


def test_p7_a_proof_from_before_and_one_from_after_verify_by_the_independent_program(
    folder: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = folder.parents[1]
    old, first_kept = tmp_path / "old.jsonl", tmp_path / "kept.jsonl"
    with SealReader(state / "seal") as seal, closing(JournalReader(folder)) as log:
        old.write_text("".join(evidence(seal, {folder.name: log}, [(folder.name, 3)])))
    retire(state)
    ready(state)
    with SealReader(state / "seal") as seal, closing(JournalReader(folder)) as log, closing(JournalReader(made)) as copy:
        first_kept.write_text("".join(evidence(seal, {folder.name: log}, [(folder.name, log.first()), (folder.name, COUNT)])))
        again = "".join(evidence(seal, {folder.name: copy}, [(folder.name, 3)]))  # by a copy of the removed record
        with pytest.raises(NotFound, match="was removed at the end of its retention"):
            list(evidence(seal, {folder.name: log}, [(folder.name, 3)]))
    (tmp_path / "again.jsonl").write_text(again)
    for pack in (old, first_kept, tmp_path / "again.jsonl"):
        assert munjigi_verify.main([str(pack), "--key", str(KEY.verifier)]) == 0, capsys.readouterr()


# ---- Killed ----------------------------------------------------------------------------------------------------------


def test_p1_kill_9_before_every_call_of_a_removal_leaves_nothing_half_done(made: Path, tmp_path: Path) -> None:
    expected = copy_of(made, tmp_path / "whole")
    retire(expected.parents[1])
    first, before = first_of(expected), payloads_of(made)
    command = [sys.executable, "-m", "app.retiring", str(made), str(tmp_path)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=True, timeout=120)
    codes = [int(line) for line in done.stdout.split()]
    assert codes == [-9] * (len(codes) - 1) + [0]
    stages: list[str] = []
    for where in range(1, len(codes)):
        folder = tmp_path / str(where) / "journal" / made.name
        # What a reader and a verifier see while the process is dead: all, or what is left, and why.
        begins, found = first_of(folder), payloads_of(folder)
        recorded = any(isinstance(decode(payload), RemovedRecord) for _, payload in found)
        assert begins in (0, first)
        assert recorded or begins == 0
        assert found[: COUNT - begins] == before[begins:]
        judged = verified(folder)
        assert judged.intact or judged.file == "mark.json.tmp"  # which the next start removes
        # The next start finishes it, if its record was there.
        journal = open_journal(folder.parents[1], clock=TickingClock(NOW))
        journal.close()
        assert first_of(folder) == (first if recorded else 0)
        assert segment.first_index_of(segment.names(folder)[0]) == first_of(folder)
        stages.append("recorded" if recorded and begins == 0 else "gone" if begins else "whole")
        retire(folder.parents[1])
        assert first_of(folder) == first
        assert len(removals(folder)) == 1
        assert verified(folder).intact
    assert list(dict.fromkeys(stages)) == ["whole", "recorded", "gone"]


# ---- Tampering -------------------------------------------------------------------------------------------------------


def _marked(folder: Path, **changes: Any) -> None:
    known = mark.read(folder)
    assert known is not None
    mark.write(folder, replace(known, **changes))


def _delete_the_first(folder: Path) -> str:
    name = segment.names(folder)[0]
    (folder / (name + packed.SUFFIX)).unlink()
    return name


def _by_hand(folder: Path) -> None:
    _delete_the_first(folder)


def _by_hand_with_the_mark(folder: Path) -> None:
    _delete_the_first(folder)
    _marked(folder, first=segment.first_index_of(segment.names(folder)[0]))


def _in_the_middle(folder: Path) -> None:
    (folder / (segment.names(folder)[2] + packed.SUFFIX)).unlink()


def _by_a_forged_record(folder: Path) -> None:
    """A record of a removal that has another root, and everything else in order."""
    first = segment.first_index_of(segment.names(folder)[1])
    removal_index = _append(folder, RemovedRecord(first_index=0, next_index=first, root="0" * 64, cut=CUT, years=2, article="x"))
    _marked(folder, first=first, removal=removal_index)
    removal.remove_files(folder, first)


def _too_early(folder: Path) -> None:
    """A removal that the law forbids, whoever wrote it."""
    first = segment.first_index_of(segment.names(folder)[1])
    root = naive.mth([payload for _, payload in payloads_of(folder)[:first]]).hex()
    cut = NOW - 100 * retiring.DAY
    removal_index = _append(folder, RemovedRecord(first_index=0, next_index=first, root=root, cut=cut, years=2, article="x"))
    _marked(folder, first=first, removal=removal_index)
    removal.remove_files(folder, first)


def _append(folder: Path, record: RemovedRecord) -> int:
    journal = open_journal(folder.parents[1], clock=TickingClock(NOW))
    index = journal.append(record)
    journal.close()
    return index


def _past_the_seal(folder: Path) -> None:
    """Everything that was recorded since is removed, too: no checkpoint covers it."""
    state = folder.parents[1]
    write(state, 40, first=COUNT + 1, clock=TickingClock(NOW + STEP))
    known = mark.read(folder)
    assert known is not None
    first = segment.first_index_of(known.segment)
    record = RemovedRecord(first_index=0, next_index=first, root="0" * 64, cut=CUT, years=2, article="x")
    _marked(folder, first=first, removal=_append(folder, record))
    removal.remove_files(folder, first)


TAMPERING: tuple[tuple[Callable[[Path], None], str, int], ...] = (
    (_by_hand, "SEGMENT_MISSING", 0),
    (_by_hand_with_the_mark, "REMOVAL_NOT_RECORDED", -1),
    (_in_the_middle, "SEGMENT_MISSING", -1),
    (_by_a_forged_record, "REMOVAL_NOT_RECORDED", -1),
    (_too_early, "REMOVED_TOO_EARLY", -1),
    (_past_the_seal, "REMOVED_PAST_SEAL", COUNT),
)


@pytest.mark.parametrize(("tamper", "problem", "index"), TAMPERING, ids=[each[0].__name__ for each in TAMPERING])
def test_p7_records_that_were_removed_otherwise_are_missed(folder: Path, tamper: Any, problem: str, index: int) -> None:
    tamper(folder)
    found = verified(folder)
    assert (found.intact, found.problem) == (False, problem)
    assert index in (found.index, -1)
    if problem == "SEGMENT_MISSING" or tamper is _by_hand_with_the_mark:
        with pytest.raises(Corruption):
            open_journal(folder.parents[1])


def _more_by_hand(folder: Path) -> None:
    _delete_the_first(folder)


def _old_mark(folder: Path) -> None:
    _marked(folder, first=0, removal=-1)


def _mark_of_another_record(folder: Path) -> None:
    known = mark.read(folder)
    assert known is not None
    _marked(folder, removal=known.removal - 1)


def _leaf_of_a_removed_record(folder: Path) -> None:
    path = folder.parents[1] / "seal" / "logs" / folder.name / "0"
    path.write_bytes(bytes([1]) + path.read_bytes()[1:])


@pytest.mark.parametrize("tamper", [_more_by_hand, _old_mark, _leaf_of_a_removed_record])
def test_p7_a_shortened_log_that_is_changed_is_found(short: Path, tamper: Callable[[Path], None]) -> None:
    assert verified(short).intact
    tamper(short)
    assert not verified(short).intact


@pytest.mark.parametrize("tamper", [_more_by_hand, _old_mark, _mark_of_another_record])
def test_p10_a_log_without_its_beginning_does_not_start(short: Path, tamper: Callable[[Path], None]) -> None:
    tamper(short)
    with pytest.raises(Corruption):
        open_journal(short.parents[1])


@pytest.mark.parametrize("where", ["leaf", "record", "checkpoint"])
def test_nothing_is_removed_where_log_and_seal_do_not_agree(folder: Path, where: str) -> None:
    state = folder.parents[1]
    tree = state / "seal" / "logs" / folder.name
    if where == "leaf":
        (tree / "0").write_bytes(bytes(32) + (tree / "0").read_bytes()[32:])
    elif where == "record":
        _swap_the_last_record(folder)
    else:
        (state / "seal" / "checkpoint").write_bytes((state / "seal" / "checkpoint").read_bytes().replace(b"\n\n", b"\nx\n\n", 1))
    with pytest.raises(Corruption):
        retire(state)
    assert first_of(folder) == 0


def _swap_the_last_record(folder: Path) -> None:
    """Give the log's last leaf of the first segment to another one."""
    path = folder.parents[1] / "seal" / "logs" / folder.name / "0"
    end = segment.first_index_of(segment.names(folder)[1])
    data = path.read_bytes()
    path.write_bytes(data[: (end - 1) * 32] + data[:32] + data[end * 32 :])


def test_verification_beside_a_removal_gives_no_false_alarm(made: Path, tmp_path: Path) -> None:
    """The files go while somebody walks over them."""
    folder = copy_of(made, tmp_path / "state")
    check = check_seal(folder.parents[1] / "seal", lambda log_id: JournalReader(folder.parent / log_id), KEY.verifier)
    from munjigi.audit import verify

    calls = 0
    real = segment.names

    def names(where: Path) -> list[str]:
        nonlocal calls
        found = real(where)
        calls += 1
        if calls == 1:
            retire(folder.parents[1])
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify.segment, "names", names)
        result = verify.verify_journal(folder, sealed=check.sealed[folder.name])
    assert (result.intact, result.first) == (True, first_of(folder))
    assert calls > 1


def test_the_command_says_where_a_shortened_log_begins(short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from munjigi.cli.main import run

    assert run(["audit", "verify", "--state-dir", str(short.parents[1]), "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["journals"][0]["first"] == str(first_of(short))
    assert run(["audit", "verify", "--state-dir", str(short.parents[1])]) == 0
    assert f"begins with record {first_of(short)}" in " ".join(capsys.readouterr().out.split())
    _delete_the_first(short)
    assert run(["audit", "verify", "--state-dir", str(short.parents[1])]) == 5
    assert "SEGMENT_MISSING" in capsys.readouterr().out
