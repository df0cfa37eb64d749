"""Each alert of docs/alerts.md, by promtool over the rules that are shipped: it fires when it should, not else, and is over afterwards."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from alerts.cases import CASES, HEALTHY, Case, Series
from alerts.shipped import ALERTS, FOLDER
from parts import need_program

MINUTES = {"m": 1, "h": 60, "d": 1440}
# Their expressions look at all hosts of an installation together, or need half a day: each has a world of its own, in steps of minutes.
ALONE = {
    "AvailabilityBurns": 2,
    "AvailabilityBurnsFast": 1,
    "LatencyBurns": 2,
    "LatencyBurnsFast": 1,
    "DenialFlood": 1,
    "PolicyChangedOffHours": 5,
}


class Host(NamedTuple):
    """What happens to one host, phase by phase in minutes, and which alerts it has at each minute that is looked at."""

    name: str
    phases: list[tuple[int, Series]]
    looks: dict[int, tuple[str, ...]]
    only: str = ""  # where one alert is looked at


def test_each_alert_has_its_trial():
    assert len(ALERTS) == len({alert.name for alert in ALERTS}) >= 40
    assert {alert.name for alert in ALERTS} == CASES.keys()


def test_what_waits_for_nothing_has_a_case_that_only_looks_like_it():
    for name, case in CASES.items():
        assert case.near is not None or wait_of(name) > 1, name


def wait_of(name: str) -> int:
    """Return how many minutes an alert waits."""
    (wait,) = (alert.wait for alert in ALERTS if alert.name == name)
    return int(wait[:-1]) * MINUTES[wait[-1]] if wait else 0


def fires(name: str, case: Case) -> Host:
    """Trouble sets in, and goes."""
    phases = [(case.calm, HEALTHY), (case.lasts, HEALTHY | case.trouble), (case.after, HEALTHY)]
    ends = case.calm + case.lasts
    return Host(f"{name}-fires", phases, {case.calm - 1: (), ends - 1: (name, *case.also), ends + case.after - 1: ()})


def stays_away(name: str, case: Case) -> Host:
    """Something looks like trouble; or it is trouble, and over before the alert has waited."""
    calm = case.near_calm or case.calm
    lasts = case.lasts if case.near is not None else wait_of(name) - 1
    phases = [(calm, HEALTHY), (lasts, HEALTHY | (case.near or case.trouble)), (case.after, HEALTHY)]
    return Host(f"{name}-near", phases, dict.fromkeys(range(calm, calm + lasts + 15, 5), ()), name)


def trial(hosts: Iterable[Host], step: int) -> dict[str, Any]:
    """Write a world of some hosts, as promtool reads it, with a sample every `step` minutes."""
    hosts = list(hosts)
    minutes = max(sum(length for length, _ in host.phases) for host in hosts)
    return {
        "interval": f"{step}m",
        "input_series": [
            {
                "series": each % f'job="munjigi",instance="{host.name}"',
                "values": " ".join(written(each, host.phases, minutes)[::step]),
            }
            for host in hosts
            for each in dict.fromkeys(each for _, world in host.phases for each in world)
        ],
        "promql_expr_test": [asked(host, minute, names) for host in hosts for minute, names in host.looks.items()],
    }


def written(series: str, phases: list[tuple[int, Series]], minutes: int) -> list[str]:
    """Write one series minute by minute; after the last phase it goes on like that."""
    values, value = [], 0.0
    kinds = [world.get(series) for length, world in phases for _ in range(length)]
    for minute, kind in enumerate(kinds + kinds[-1:] * (minutes - len(kinds))):
        if kind is not None:
            value = kind.next(minute, value)
        values.append("_" if kind is None else f"{value:.10g}")
    return values


def asked(host: Host, minute: int, names: tuple[str, ...]) -> dict[str, Any]:
    """Ask which alerts fire; those of the whole installation are everybody's. How many is asked, since a firing one carries its labels."""
    among = f'alertname="{host.only}"' if host.only else 'alertname!="Watchdog"'
    return {
        "expr": f'count by (alertname) (ALERTS{{alertstate="firing",{among},instance=~"({host.name})?"}})',
        "eval_time": f"{minute}m",
        "exp_samples": [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in sorted(names)],
    }


WORLDS = {
    "together": [part(name, case) for name, case in CASES.items() if name not in ALONE for part in (fires, stays_away)],
    **{f"{name} {part.__name__}": [part(name, CASES[name])] for name in ALONE for part in (fires, stays_away)},
}


@pytest.mark.parametrize("world", WORLDS)
def test_each_alert_fires_in_its_trouble_and_no_other_does_and_it_ends_with_it(tmp_path: Path, world: str):
    need_program("promtool")
    step = ALONE.get(world.partition(" ")[0], 1)
    described = {
        "rule_files": [str(FOLDER / "rules" / f"munjigi-{name}.yml") for name in ("objectives", "alerts")],
        "evaluation_interval": f"{step}m",
        "tests": [trial(WORLDS[world], step)],
    }
    (tmp_path / "trial.yml").write_text(yaml.safe_dump(described))
    command = ["promtool", "test", "rules", "trial.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, re.sub(r"\n{2,}", "\n", done.stdout + done.stderr)[:10_000]
