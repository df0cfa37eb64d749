"""`munjigi demo --fast`: a company's life, written into a fresh synthetic state folder by a gateway's own rooms."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple

from munjigi.app.config import Settings
from munjigi.app.demo_folder import finish, make_fresh, size_of
from munjigi.app.demo_gateway import open_demo_gateway, policy_of
from munjigi.app.demo_player import DemoPlayer
from munjigi.app.files import StateFolder
from munjigi.app.policy_build import Built
from munjigi.app.simulated_clock import SimulatedClock
from munjigi.company.days import days, uncovered
from munjigi.company.life import Company, live
from munjigi.company.tally import Tally
from munjigi.policy.calendar import Calendar

Progress = Callable[[int, int], None]
"""Hears of the records written so far and of the time that the company has come to (UTC nanoseconds)."""
_GARBAGE = 50_000  # new objects between two looks for garbage
_EVERY = 2048  # events between two words to whoever looks


class Wish(NamedTuple):
    """The company that is wanted."""

    seed: int
    employees: int
    members: int
    first: date
    days: int


class Written(NamedTuple):
    """What was written. Seconds of the clock and of the processor; `seal_seconds` are those of the clock for the seal at the end.

    `records` are all that lie in the folder, `journal` those of them that the journal has; `bare_years` have no holidays in the calendar.
    """

    tally: Tally
    records: int
    journal: int
    seconds: float
    processor_seconds: float
    seal_seconds: float
    size: int
    bare_years: tuple[int, ...]
    origin: str


def calendar_of(built: Built) -> Calendar:
    """Return the calendar of a policy that compiled."""
    assert built.bundle is not None
    return built.bundle.calendar


def calendar_of_home(policy_home: Path | None) -> Calendar:
    """Return the calendar of a policy home, or of the one that a daemon would load by default. Raises what `policy_of` raises."""
    return calendar_of(policy_of(Settings(policy_home=policy_home)))


def write_company(settings: Settings, wish: Wish, progress: Progress) -> Written:
    """Make the folder that settings name and write the company's life into it.

    Whatever goes wrong once the folder is made, it stays marked as unfinished and is refused by everything that would use it. Raises
    what `make_fresh` raises, and `Unavailable` when the disk refuses.
    """
    built = policy_of(settings)
    company = Company(wish.seed, wish.employees, wish.first, wish.days, calendar_of(built), wish.members)
    folder = make_fresh(settings)
    tally = Tally()
    began, busy = time.perf_counter(), time.process_time()
    journal = asyncio.run(_perform(settings, folder, built, company, tally, progress))
    written, worked = time.perf_counter() - began, time.process_time() - busy
    began = time.perf_counter()
    records = finish(folder)
    sealed = time.perf_counter() - began
    bare = tuple(uncovered(company.first, company.days, company.calendar))
    origin = (folder.keys / "seal.vkey").read_text("ascii").partition("+")[0]
    return Written(tally, records, journal, written, worked, sealed, size_of(folder.root), bare, origin)


async def _perform(
    settings: Settings, folder: StateFolder, built: Built, company: Company, tally: Tally, progress: Progress
) -> int:
    """Play every event; return how many records the journal has."""
    first = next(days(company.first, 1, company.calendar))
    clock = SimulatedClock(first.begins, company.seed)
    gateway = open_demo_gateway(settings, folder, built, clock)
    gc.collect()
    gc.freeze()
    often = gc.get_threshold()
    gc.set_threshold(_GARBAGE)  # records leave no cycles behind, and looking for them costs a tenth
    try:
        gateway.began()
        player = DemoPlayer(gateway, tally)
        play = player.play
        for number, event in enumerate(live(company)):
            await play(event)
            if not number % _EVERY:
                progress(gateway.journal.next_index, event.at)
        await player.finish()
        await gateway.close()
    except BaseException:
        await gateway.abandon()
        raise
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()
    return gateway.journal.next_index
