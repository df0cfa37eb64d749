"""However many employees ask and whatever attackers write, the page stays small and names nobody (promise P5)."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from monitoring.page import Samples, samples_of, total

ROOT = Path(__file__).resolve().parents[2]
EMPLOYEES = 100_000
NAMES = 10_000  # of tools, purposes, resources, actions and fields that nobody registered
MOST_SERIES = 2_000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from munjigi.app.files import StateFolder

    folder = StateFolder(tmp_path / "state")
    folder.make()
    monkeypatch.setitem(os.environ, "PROMETHEUS_MULTIPROC_DIR", str(folder.metrics))
    return folder


def page() -> tuple[str, Samples]:
    from munjigi.adapters.metrics_page import render

    text = render().content.decode()
    return text, samples_of(text)


@pytest.mark.no_cover  # the same lines a hundred thousand times
def test_p5_a_hundred_thousand_employees_and_ten_thousand_made_up_names(folder: Any) -> None:
    asyncio.run(_ask(folder.root))
    text, samples = page()
    assert len(samples) <= MOST_SERIES
    for trace in ("evil", "staff", "192.0.2", "SELECT"):
        assert trace not in text
    assert total(samples, "munjigi_decisions_total") == EMPLOYEES
    assert total(samples, "munjigi_purpose_decisions_total", purpose="unknown") == EMPLOYEES // 2
    assert total(samples, "munjigi_class_decisions_total", **{"class": "none"}) >= EMPLOYEES // 2
    assert {dict(labels)["purpose"] for name, labels in samples if "purpose" in dict(labels)} == {"unknown", "inquiry"}
    assert {dict(labels)["tool"] for name, labels in samples if "tool" in dict(labels)} == {"crm-desk"}
    assert total(samples, "munjigi_sign_in_failures_total") + total(samples, "munjigi_lockouts_total") > 0


async def _ask(state: Path) -> None:
    from munjigi.app.bootstrap import open_gateway
    from munjigi.app.config import load_settings
    from munjigi.kernel.errors import MunjigiError
    from munjigi.kernel.identity import EMBEDDED_ISSUER, Caller, EmployeeKey
    from munjigi.rpc.authentication import Presented
    from munjigi.rpc.call import Call
    from munjigi.rpc.credentials import CallCredentials
    from munjigi_client._proto.munjigi.v1 import decision_pb2 as pb

    gateway = open_gateway(
        load_settings({"state_dir": state, "policy_home": ROOT / "policies", "front": "grpcio", "sample": False}), pytest.fail
    )
    check = next(method for method in gateway.methods if method.path == "/munjigi.v1.DecisionService/Check")
    now = gateway.clock.now()
    for number in range(EMPLOYEES):
        evil = f"evil{number % NAMES}-SELECT"
        call = Call(Caller(EmployeeKey(EMBEDDED_ISSUER, f"staff-{number}"), "crm-desk", "192.0.2.7"), "Check", now, "", "")
        known = number % 2 == 0
        check.handler(
            call,
            pb.CheckRequest(
                resource="crm.member" if known else f"{evil}.table",
                fields=["name", evil] if known else [evil],
                action="read" if number % 4 else evil,
                purpose="inquiry" if known else evil,
                case_id="CS-2026-000123" if known else "",
                subject_count=number % 2_000 + 1,
            ),
        )
        if number % 2_000 == 0:
            gateway.meter.flush(gateway.committer)
            await gateway.committer.durable()
    for number in range(NAMES):
        presented = Presented(f"Bearer evil{number}", f"evil{number}", None)
        with suppress(MunjigiError):
            gateway.pipeline.start(
                check, b"", CallCredentials(presented, "", f"ipv4:192.0.2.{number % 250}:4000", None, gateway.trust)
            )
    gateway.meter.flush(gateway.committer)
    await gateway.committer.close()
    gateway.journal.close()
    gateway.index.close()
    gateway.store.close()


@pytest.mark.no_cover  # as above
def test_ten_thousand_registered_tools_share_what_is_beyond_five_hundred(folder: Any) -> None:
    from munjigi.adapters.prometheus import MOST_LABEL_SETS, PrometheusSink
    from munjigi.monitoring import catalogue
    from munjigi.monitoring.counted import Counted
    from munjigi.monitoring.meter import Meter

    del folder
    for life in range(2):  # the second one finds what the first one counted
        meter = Meter(PrometheusSink("worker-0"))
        for number in range(NAMES):
            meter.decision(
                "Check", Counted(allow=True, reason="GRANTED", tool=f"t{number}", purpose="p", classes=("c",), download=False), 1
            )
        meter.flush()
        _, samples = page()
        by_tool = {labels: value for (name, labels), value in samples.items() if name == catalogue.DECISIONS_BY_TOOL.name}
        assert len(by_tool) == MOST_LABEL_SETS + 1
        assert sum(by_tool.values()) == NAMES * (life + 1)
        assert by_tool[(("tool", "other"), ("verdict", "other"))] == (NAMES - MOST_LABEL_SETS) * (life + 1)
