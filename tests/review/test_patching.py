"""What a review changes in the security team's files, taken by a real git: exactly that, and nothing else of them (rule R19)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from munjigi.decision.grant_table import GrantTable
from munjigi.kernel.errors import FailedPrecondition
from munjigi.kernel.grant import Grant, Person, Scope
from munjigi.kernel.identity import EmployeeKey
from munjigi.kernel.review import Mark, ReviewItem
from munjigi.policy.compile import compile_bundle
from munjigi.policy.types import PolicyBundle
from munjigi.review.git_patch import git_patch
from munjigi.review.patching import Patch, Taken, patch
from munjigi.review.regrants import regrants

HOME = Path(__file__).resolve().parents[2] / "policies"
NOW = 1_800_000_000_000_000_000
KIM, CHOI = EmployeeKey("urn:test", "kim"), EmployeeKey("urn:test", "choi")
PEOPLE = [Person(f"p.{each.subject}", "employee", "", (each,)) for each in (KIM, CHOI)]
Files = dict[str, bytes]


def grant(name: str, who: EmployeeKey, role: str, purpose: str, scope: Scope | None = None, *, over: bool = False) -> Grant:
    return Grant(f"g.{name}", who, role, purpose, NOW - 9, NOW - 1 if over else NOW + 10**15, ("lee",), scope)


TOOK = grant("manager", KIM, "cs_manager", "inquiry", over=True)
AGENT = grant("agent", KIM, "cs_agent", "inquiry")
ITEM = ReviewItem("rv-1", 0, TOOK.grant_id, "applied", "revoke", before=replace(TOOK, ends_at=NOW + 10**15), person_id="p.kim")
MARK = Mark("p.kim", "cs_manager", "inquiry", "rv-1", 0, TOOK.grant_id, NOW - 2)
PHONE = b"p, cs_agent, crm.member.phone, reveal, inquiry, r.ctx.hour == 3, allow, clear"
QUOTED = b"p, cs_agent, class:location, read, inquiry, \"r.ctx.department in ('cs', 'vip')\", allow, clear"
HARMLESS = b"p, cs_agent, class:content, export, inquiry, True, allow, clear"


def base() -> Files:
    tables = {f"tests/{path.name}": path.read_bytes() for path in (HOME / "tests").iterdir()}
    return {path.name: path.read_bytes() for path in HOME.iterdir() if path.is_file()} | tables


def compiled(files: Files) -> PolicyBundle:
    bundle, problems = compile_bundle(files, "test")
    assert bundle is not None, problems
    return bundle


def table(*grants: Grant) -> GrantTable:
    return GrantTable.build(list(grants), PEOPLE, 1)


def patched(
    files: Files,
    *grants: Grant,
    before: Files | None = None,
    items: tuple[ReviewItem, ...] = (ITEM,),
    marks: tuple[Mark, ...] = (MARK,),
) -> Patch:
    held = (*grants, AGENT, TOOK)
    last = compiled(before if before is not None else base())
    return patch(last, files, Taken(items, marks), table(*held), held, NOW)


def with_rows(*rows: bytes, ending: bytes = b"\n", last: bytes = b"\n") -> Files:
    """Return the base with rows after its last one, and a remark after each."""
    found = base()
    text = found["policy.csv"] + b"".join(b"# why %d\n%b\n" % (number, row) for number, row in enumerate(rows))
    return found | {"policy.csv": text.removesuffix(b"\n").replace(b"\n", ending) + last}


def by_git(folder: Path, files: Files, found: Patch) -> Files:
    """Have git apply the patch in a policy home, which is a folder of a repository, and return the files."""
    home = folder / "home"
    for path, content in files.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_bytes(content)
    (folder / "x.patch").write_bytes(git_patch(files, found.files, ("why", *found.why)))
    for arguments in (["init", "-q", ".."], ["apply", "--check", "../x.patch"], ["apply", "--whitespace=nowarn", "../x.patch"]):
        subprocess.run(["git", *arguments], cwd=home, check=True, capture_output=True, timeout=30)
    return {path: (home / path).read_bytes() for path in files}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_r19_only_what_gives_back_goes_and_git_takes_it(tmp_path: Path, ending: bytes, last: bytes) -> None:
    files = with_rows(PHONE, HARMLESS, QUOTED, ending=ending, last=ending if last else b"")
    found = patched(files)
    after = by_git(tmp_path, files, found)
    assert after == files | found.files
    number = len(base()["policy.csv"].splitlines())
    assert found.why == tuple(f"policy.csv:{number + each} gives back what the review took: it goes" for each in (2, 6))
    gone = [
        line
        for line in files["policy.csv"].splitlines(keepends=True)
        if line not in after["policy.csv"].splitlines(keepends=True)
    ]
    assert [line.strip() for line in gone] == [PHONE, QUOTED]
    assert b"".join(line for line in files["policy.csv"].splitlines(keepends=True) if line not in gone) == after["policy.csv"]
    assert not found.failing
    assert not any(regrants(compiled(base()), compiled(after), table(AGENT), [MARK], NOW))


def edited(old: bytes, new: bytes, path: str = "policy.csv") -> Callable[[Files], Files]:
    def edit(files: Files) -> Files:
        assert files[path].count(old) == 1
        return files | {path: files[path].replace(old, new)}

    return edit


NAME = b"p, cs_agent, crm.member.name, read, inquiry, True, allow, partial"


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (edited(NAME, NAME.replace(b"partial", b"clear")), "it is as it was before"),
        (
            edited(NAME + b"\n", NAME + b"\n" + NAME.replace(b"True", b"r.ctx.device").replace(b"partial", b"clear") + b"\n"),
            "it goes",
        ),
        (edited(b"g2, crm.member.phone, class:contact", b"g2, crm.member.phone, class:content"), "it is as it was before"),
        (edited(b"g, cs_manager, cs_agent\n", b"g, cs_manager, cs_agent\ng, cs_agent, fraud_analyst\n"), None),
    ],
)
def test_r19_a_changed_line_is_as_before_and_the_others_stay(
    tmp_path: Path, edit: Callable[[Files], Files], why: str | None, ending: bytes
) -> None:
    files = edit(with_rows(HARMLESS))
    files["policy.csv"] = files["policy.csv"].replace(b"\n", ending)
    found = patched(files)
    if why is None:  # another purpose's role: nothing comes back by it
        assert found == Patch({}, (), (), ())
        return
    assert [each.rpartition(": ")[2] for each in found.why] == [why]
    assert by_git(tmp_path, files, found) == with_rows(HARMLESS, ending=ending, last=ending)


def test_r19_a_link_goes_and_not_the_rules_that_it_reaches(tmp_path: Path) -> None:
    link = b"g, cs_agent, cs_desk"
    desk = b'[roles.cs_desk]\ntitle = "Desk"\nowners = ["cs.lee"]\nstages = ["owner"]\nlongest_days = 90\nreview = "quarterly"\n'
    desk += b"requires = []\nbudget = 0\n"
    known = base()
    known["roles.toml"] += b"\n" + desk
    known["policy.csv"] += b"p, cs_desk, class:location, read, inquiry, True, allow, clear\n"
    files = known | {"policy.csv": known["policy.csv"] + link + b"\n"}
    found = patched(files, before=known)
    assert by_git(tmp_path, files, found) == known


def test_r19_a_home_that_can_t_do_without_its_changes_is_said_to_be() -> None:
    """The column that agents had masked is gone from the catalogue, so the line of before can't come back."""
    known = with_rows(b"p, cs_agent, class:location, read, inquiry, True, allow, null")
    files = with_rows(b"p, cs_agent, class:location, read, inquiry, True, allow, clear")
    files["catalog.toml"] = files["catalog.toml"].replace(b'masks = ["null", "district"]', b'masks = ["district"]')
    with pytest.raises(FailedPrecondition) as refused:
        patched(files, before=known)
    assert refused.value.reason == "PATCH_IMPOSSIBLE"


def test_r19_what_a_decision_table_asks_for_is_named(tmp_path: Path) -> None:
    case = b"""tests:
  - name: an agent sees the whole number at three
    employee: cs.kim
    facts: [pledge, training, device]
    grants: [{role: cs_agent, purpose: inquiry}]
    when: {resource: crm.member, fields: [phone], action: reveal, purpose: inquiry, case_id: CS-2026-000123, tool: crm-desk,
           at: 2026-06-01T18:10:00Z}
    then: {decision: ALLOW}
"""
    files = with_rows(PHONE) | {"tests/night.yaml": case}
    found = patched(files)
    assert [(each.file, each.line) for each in found.failing] == [("tests/night.yaml", 2)]
    broken = case.replace(b"three", b"four").replace(b"18:10", b"19:10")  # it fails with and without the patch
    assert [each.file for each in patched(files | {"tests/four.yaml": broken}).failing] == ["tests/night.yaml"]
    assert by_git(tmp_path, files, found)["policy.csv"] == with_rows(PHONE)["policy.csv"].replace(PHONE + b"\n", b"")


DENIED = b"p, fraud_analyst, class:location, read, fraud_investigation, r.ctx.hour == 3, deny,\n"
ANALYST = grant("fraud", CHOI, "fraud_analyst", "fraud_investigation", Scope(("class:identity", "class:key"), ()))
REDUCED = ReviewItem("rv-1", 1, ANALYST.grant_id, "applied", "reduce", before=replace(ANALYST, scope=None), person_id="p.choi")


def sized(files: Files, *grants: Grant, items: tuple[ReviewItem, ...] = (REDUCED,)) -> Patch:
    return patched(files, *grants, before=files, items=items, marks=())


def analyst_rules(files: Files) -> list[bytes]:
    return [row.split(b", ")[2] for row in files["policy.csv"].splitlines() if row.startswith(b"p, fraud_analyst")]


def test_a_role_gets_the_size_of_what_is_held_of_it(tmp_path: Path) -> None:
    files = {path: content for path, content in base().items() if not path.startswith("tests/")}
    files["policy.csv"] += DENIED
    found = sized(files, ANALYST)
    after = by_git(tmp_path, files, found)
    assert sorted(set(analyst_rules(after))) == [b"class:identity", b"class:key", b"class:location"]
    assert after["policy.csv"].endswith(DENIED)  # what denies is never too much
    others = [row for row in files["policy.csv"].splitlines() if not row.startswith(b"p, fraud_analyst")]
    assert [row for row in after["policy.csv"].splitlines() if not row.startswith(b"p, fraud_analyst")] == others
    assert all("nobody who holds `fraud_analyst` has it any more" in each for each in found.why)


def test_what_somebody_else_still_has_or_a_table_asks_for_stays() -> None:
    files = {path: content for path, content in base().items() if not path.startswith("tests/")}
    contact = replace(ANALYST, grant_id="g.other", employee=KIM, scope=Scope(("crm.member.phone",), ()))
    left = analyst_rules(files | sized(files, ANALYST, contact).files)
    assert sorted(set(left)) == [b"class:contact", b"class:identity", b"class:key"]
    assert sized(files, ANALYST, replace(contact, scope=None)).files == {}
    suspended = replace(contact, scope=None, suspended="owner")  # it may be resumed
    assert sized(files, ANALYST, suspended).files == {}
    over = replace(contact, scope=None, ends_at=NOW - 1)
    assert sized(files, ANALYST, over).files == sized(files, ANALYST).files != {}
    assert sized(files, ANALYST, items=(ITEM,)).files == {}  # it was another role that the review took
    assert sized(files).files == {}  # nobody holds the role: it is for whoever asks for it
    assert sized(files, ANALYST, items=()).files == {}  # the review took nothing
    with_tables = sized(base(), ANALYST)
    assert with_tables.stays
    assert all("decision tables ask for it" in each for each in with_tables.stays)
    assert not with_tables.failing


def test_a_home_with_errors_is_to_be_mended_first() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        patched(with_rows(b"p, nobody"))
    assert refused.value.reason == "POLICY_INVALID"


def test_nothing_to_change_is_an_empty_patch() -> None:
    files = with_rows(HARMLESS)
    found = patched(files)
    assert (found, git_patch(files, found.files, ("why",))) == (Patch({}, (), (), ()), b"")
