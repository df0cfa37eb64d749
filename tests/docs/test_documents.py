"""What documents say of the code is so: generated tables, reasons, names of tests and files, links, commands' modules."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest
from docs.transcripts import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "server" / "README.md",
        ROOT / "deploy" / "prometheus" / "README.md",
        ROOT / "clients" / "python" / "README.md",
    ]
)
TEXT = {page: page.read_text("utf-8") for page in PAGES}
CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
# Names of the environment, of gRPC and of the client, which are no reasons of ours.
FOREIGN = {
    "DEADLINE_EXCEEDED",
    "GIT_OPTIONAL_LOCKS",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "NOTIFY_SOCKET",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "PROMETHEUS_MULTIPROC_DIR",
    "TLS_REQUIRED",
    "VERIFICATION_KEY",  # a metavar of commands
    "XDG_STATE_HOME",
}


def name(page):
    return str(page.relative_to(ROOT))


def generator():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / ".ci" / "generate_docs.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate_docs"] = module
    spec.loader.exec_module(module)
    return module


def test_generated_tables_are_current():
    script = [sys.executable, str(ROOT / ".ci" / "generate_docs.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_part_is_generated_somewhere():
    used = {part for text in TEXT.values() for part in re.findall(r"<!-- generated: ([a-z-]+) -->", text)}
    assert used == set(generator().PARTS)


def test_every_reason_in_the_code_is_documented():
    listed = "".join(TEXT[ROOT / "docs" / page] for page in ("errors.md", "policy.md", "casbin.md", "reviews.md"))
    missing = {}
    for path in (ROOT / "server" / "munjigi").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.match(node.value)):
                continue
            if not node.value.startswith("MUNJIGI_") and node.value not in FOREIGN and f"`{node.value}`" not in listed:
                missing.setdefault(node.value, path.name)
    assert not missing, "run .ci/generate_docs.py, or describe them in docs/errors.md"


def test_every_command_that_a_text_names_is_there():
    from munjigi.cli.lazy import LazyGroup
    from munjigi.cli.main import cli

    context = cli.make_context("munjigi", [], resilient_parsing=True)
    sources = [*(ROOT / "server" / "munjigi").rglob("*.py"), *(ROOT / "proto").rglob("*.proto")]
    named = {}
    for path, text in [*TEXT.items(), *((path, path.read_text("utf-8")) for path in sources)]:
        for command, inner in re.findall(r"[`$] ?munjigi ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", text):
            named.setdefault((command, inner), path.name)
    assert len(named) > 50
    for (command, inner), where in named.items():
        found = cli.get_command(context, command)
        assert found is not None, f"{where} names munjigi {command}"
        if isinstance(found, LazyGroup) and inner:
            assert inner in found.entries, f"{where} names munjigi {command} {inner}"


def test_every_reason_of_a_decision_is_described_and_none_is_invented():
    from munjigi.decision import reasons

    known = {value for key, value in vars(reasons).items() if key.isupper() and isinstance(value, str)} | {"ABOUT_ONESELF"}
    section = TEXT[ROOT / "docs" / "errors.md"].partition("## Reasons of a decision")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE)) == known


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXT[page]):
        if not target.startswith(("http://", "https://", "#")):
            there = (page.parent / target.partition("#")[0]).resolve()
            assert there.exists(), f"{name(page)} links to {target}"
            assert there.is_relative_to(ROOT), f"{name(page)} links out of the project: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_exist(page):
    roots = (ROOT, ROOT / "server" / "munjigi", ROOT / "server" / "munjigi" / "cli", ROOT / "clients" / "python", page.parent)
    for path in re.findall(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|proto|sh|service))`", TEXT[page]):
        assert any((root / path).exists() for root in roots), f"{name(page)} names {path}"


def test_named_functions_exist_in_the_files_named():
    for path, function in re.findall(r"\(`([\w/]+\.py)`, `(\w+)`\)", TEXT[ROOT / "ARCHITECTURE.md"]):
        assert re.search(rf"def {function}\b", (ROOT / "server" / "munjigi" / path).read_text("utf-8")), f"{function} in {path}"


def test_named_tests_exist():
    defined = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        defined |= set(re.findall(r"def (test_\w+)", path.read_text("utf-8")))
    for page, text in TEXT.items():
        for test in re.findall(r"`(test_p\d+_\w+)`", text):
            assert test in defined, f"{name(page)} names {test}"


def test_named_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page, text in TEXT.items():
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE):
            assert target in targets, f"{name(page)} names make {target}"


def blocks(language):
    for page, text in TEXT.items():
        for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            yield pytest.param(block, id=f"{name(page)}-{block.split(chr(10), 1)[0][:30]}")


@pytest.mark.parametrize("block", list(blocks("python")))
def test_python_shown_uses_what_the_client_has(block):
    import munjigi_client

    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module == "munjigi_client":
            assert {each.name for each in node.names} <= set(munjigi_client.__all__)
        if not (isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name))):
            continue
        # The client's own calls must take the arguments that are shown.
        owner = node.func.value.id if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) else ""
        target = (
            getattr(munjigi_client.Client, node.func.attr)
            if owner == "client"
            else getattr(munjigi_client.Access, node.func.attr)
            if owner == "access"
            else getattr(munjigi_client, getattr(node.func, "id", ""), None)
        )
        if target is not None:
            itself = [None] if owner else []
            inspect.signature(target).bind(*itself, *node.args, **{word.arg: None for word in node.keywords})


def test_the_decision_table_shown_is_one():
    from munjigi.policy.findings import Findings
    from munjigi.policy.tables import read_tables

    (block,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT[ROOT / "docs" / "policy.md"], re.DOTALL | re.MULTILINE)
    findings = Findings()
    assert len(read_tables("tests/shown.yaml", block, findings)) == 1
    assert findings.all() == ()


def test_the_conditions_shown_are_of_the_language():
    from munjigi.policy.conditions import translate

    section = TEXT[ROOT / "docs" / "policy.md"].partition("```text\n")[2].partition("```")[0]
    shown = [line.split("    ")[0].strip() for line in section.splitlines()]
    for condition in shown[:-1]:  # the last line shows how they are joined
        assert translate(condition, allow=True) is not None


def test_the_picture_is_readable_in_light_and_dark():
    picture = ROOT / "docs" / "picture" / "overview.svg"
    root = ET.parse(picture).getroot()
    assert root.tag.endswith("svg")
    assert root.get("aria-label")
    assert "prefers-color-scheme: dark" in picture.read_text("utf-8")


def test_pages_stand_alone():
    # Notes beside the project and somebody's local paths are no part of it.
    for page, text in TEXT.items():
        found = re.search(r"(?<![\w.])/(?:tmp|root|home)/|DESIGN(?:\.md| section)", text)
        assert not found, f"{name(page)}: {found[0]}"
