"""Run the oracle for a while: `python -m oracle --seconds 300 --seed 0`. Goes on where `--seed` of the last line says."""

from __future__ import annotations

import argparse
import sys
import time

from oracle.compare import compare_seed, new_tally
from oracle.shrink import shrink


def main() -> int:
    """Return 0 if nothing was unexplained, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=20, help="stop at so many unexplained differences")
    arguments = parser.parse_args()
    tally = new_tally()
    started = time.monotonic()
    printed = started
    seed = arguments.seed
    while time.monotonic() - started < arguments.seconds and len(tally.unexplained) < arguments.most:
        compare_seed(seed, tally)
        seed += 1
        if time.monotonic() - printed > 30:
            printed = time.monotonic()
            print(f"{tally.cases} cases, seed {seed}", flush=True)
    for name, count in sorted(tally.counts.items()):
        print(f"{count:>10}  {name}")
    # One of a kind and world; the others are mostly the same mistake.
    kinds = {(each.world.model, each.world.policy, each.theirs, each.ours): each for each in tally.unexplained}
    for found in list(kinds.values())[:8]:
        print(f"\nUNEXPLAINED\n{shrink(found).report()}")
    took = time.monotonic() - started
    print(
        f"{tally.cases} cases of {seed - arguments.seed} models in {took:.0f} s, {len(tally.unexplained)} unexplained; next: ORACLE_SEED={seed}"
    )
    return 1 if tally.unexplained else 0


sys.exit(main())
