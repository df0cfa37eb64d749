"""Write the dashboards of this folder, or tell whether the files are what it says.

python deploy/grafana/source             # what `make dashboards` does
python deploy/grafana/source --check     # what `make lint` does: exit 1, and a diff of what differs
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from access import ACCESS
from build import rendered
from downloads import DOWNLOADS
from overview import OVERVIEW
from pipeline import PIPELINE
from records import RECORDS
from reviews import REVIEWS
from rights import RIGHTS
from service import SERVICE

DASHBOARDS = (OVERVIEW, ACCESS, RIGHTS, REVIEWS, DOWNLOADS, PIPELINE, SERVICE, RECORDS)
DRIFT = """
These dashboards differ from deploy/grafana/source (lines with + are what the source says).
Changed in Grafana or by hand? Make the same change in the source, then run make dashboards.
Changed in the source? Run make dashboards and commit."""


def main() -> int:
    """Write or compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent.parent / "dashboards")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    folder: Path = options.folder
    wanted = {f"{page.uid}.json": rendered(page) for page in DASHBOARDS}
    if options.check:
        return _compared(folder, wanted)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (folder / name).write_text(content, "utf-8")
    return 0


def _compared(folder: Path, wanted: dict[str, str]) -> int:
    found = {path.name: path.read_text("utf-8") for path in folder.glob("*.json")}
    differ = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    for name in differ:
        sides = (found.get(name, "").splitlines(), wanted.get(name, "").splitlines())
        sys.stdout.writelines(
            f"{line}\n" for line in difflib.unified_diff(*sides, name, f"{name} by its source", lineterm="", n=2)
        )
    if differ:
        sys.stdout.write(DRIFT + "\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
