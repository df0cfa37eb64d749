"""`policy diff` of two policies of 110,000 rows: from the command's start to its end.

Run with `python -m bench.diff`. The baseline is Python's csv module reading the same two files in the same run. Prints JSON: seconds,
of processor time for the command, since other work on the machine is not the command's.
"""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.machine import keep_compiled, spread
from bench.table import Row, number, within

ROOT = Path(__file__).resolve().parent.parent
ROLES = 10_000
ROUNDS = 2
_COLUMNS = ("crm.member.name", "crm.member.phone", "crm.member.status", "crm.member.email", "crm.member.joined_at")
_CLASSES = ("class:contact", "class:key", "class:activity", "class:content", "class:transaction")
_ROLE = 'title = "x"\nowners = ["cs.lee"]\nstages = ["owner"]\nlongest_days = 3\nreview = "yearly"\nrequires = []\nbudget = 0\n'


def homes(folder: Path) -> tuple[Path, Path]:
    """Two policy homes of 100,000 rules and 10,000 role links; of the rules one in a hundred differs, and 20 links."""
    rng = random.Random(1)
    rules = [f"p, r{role}, {obj}, read, inquiry, True, allow, clear\n" for role in range(ROLES) for obj in (*_COLUMNS, *_CLASSES)]
    # Chains of up to seven links, which is as deep as the sample's own limit allows with room.
    links = [f"g, r{role}, r{role - 1 if role % 8 else role - 3}\n" for role in range(3, ROLES) if role % 8 != 3]
    links += [f"g, r{role}, r{role - 5}\n" for role in range(8, ROLES, 8)]
    other = [
        rule.replace("inquiry, True, allow, clear", "marketing, True, allow, clear") if rng.random() < 0.01 else rule
        for rule in rules
    ]
    made = []
    for name, rows in (("before", [*rules, *links]), ("after", [*other, *links[:-20]])):
        home = folder / name
        shutil.copytree(ROOT / "policies", home)
        shutil.rmtree(home / "tests")
        with (home / "roles.toml").open("a") as roles:
            roles.writelines(f"\n[roles.r{role}]\n{_ROLE}" for role in range(ROLES))
        with (home / "policy.csv").open("a") as csv_file:
            csv_file.writelines(rows)
        for path in (home, *home.rglob("*")):
            path.chmod(path.stat().st_mode & 0o755)
        made.append(home)
    return made[0], made[1]


def main() -> int:
    keep_compiled()
    with tempfile.TemporaryDirectory() as scratch:
        before, after = homes(Path(scratch))
        rows = sum(1 for line in (before / "policy.csv").open() if line.startswith(("p,", "g,")))
        cpu, wall, baseline = [], [], []
        for _ in range(ROUNDS):
            began = time.process_time()
            for home in (before, after):
                with (home / "policy.csv").open(newline="") as lines:
                    sum(1 for _ in csv.reader(lines))
            baseline.append(time.process_time() - began)
            started, used = time.perf_counter(), os.times()
            subprocess.run(
                [sys.executable, "-m", "munjigi.cli.main", "policy", "diff", str(before), str(after), "--limit", "1"],
                capture_output=True,
                check=True,
                env={name: value for name, value in os.environ.items() if not name.startswith("MUNJIGI_")},
            )
            wall.append(time.perf_counter() - started)
            now = os.times()
            cpu.append(now.children_user + now.children_system - used.children_user - used.children_system)
    print(json.dumps({"rows": rows, "cpu": cpu, "wall": wall, "csv": baseline}))
    return 0


def rows(found: dict[str, Any]) -> list[Row]:
    """Put what `measure` found into lines of the table."""
    ours, plain = spread(found["cpu"]), spread(found["csv"])
    return [
        Row(
            f"policy diff of two policies of {number(found['rows'])} rows, processor time",
            within(ours, " s"),
            f"csv module reading both {within(plain, ' s')}",
            f"{ours.median / plain.median:.0f}x",
            "<= 5 s",
            ours.median <= 5,
        )
    ]


if __name__ == "__main__":
    sys.exit(main())
