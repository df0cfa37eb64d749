"""Where the counted use of a state folder lies: a file of it, or the database that has its state, where all hosts' use is one."""

from __future__ import annotations

from contextlib import closing

from munjigi.adapters.policy_files import kept_files
from munjigi.adapters.usage.store import SqlUsageStore, UsageFile
from munjigi.app.files import StateFolder
from munjigi.app.log_sources import LogSources
from munjigi.app.policy_in_force import in_force
from munjigi.app.state import has_state, noted, read_state, write_state
from munjigi.app.usage_counter import UsageCounter
from munjigi.audit.reader import list_logs
from munjigi.kernel.clock import Clock
from munjigi.monitoring.meter import Meter
from munjigi.policy.calendar import DEFAULT_ZONE
from munjigi.policy.calendar_file import CALENDAR_FILE, read_calendar
from munjigi.policy.findings import Findings, decode
from munjigi.policy.toml_file import read_toml
from munjigi.review.coverage import Lost


def usage_counter(folder: StateFolder, clock: Clock, meter: Meter) -> UsageCounter:
    """Put the follower's job together. Days are those of the calendar that is in force when counting begins."""
    return UsageCounter(
        LogSources(folder), folder, lambda: in_force(folder) != "" and has_state(folder), lambda: _counted(folder), clock, meter
    )


def read_usage(folder: StateFolder) -> SqlUsageStore:
    """Open what is counted, for reading. Raises `Unavailable` before the follower made it."""
    return SqlUsageStore(UsageFile(folder.usage, read_only=True) if noted(folder) is None else read_state(folder))


def expected_logs(folder: StateFolder) -> frozenset[str]:
    """Return the journals that there should be use of: those of this folder, and of every worker that has a lease on the state."""
    with closing(read_state(folder)) as store:
        return frozenset(list_logs(folder.journal)).union(row.instance for row in store.leases().rows)


def lost_logs(folder: StateFolder) -> Lost:
    """Return what people said of logs that are lost, and which are alive after all."""
    with closing(read_state(folder)) as store:
        with store.moment() as moment:
            closings = tuple(moment.reviews.closings())
        return Lost(closings, frozenset(row.instance for row in store.leases().rows))


def _counted(folder: StateFolder) -> SqlUsageStore:
    zone = zone_in(folder, in_force(folder))
    return SqlUsageStore(UsageFile(folder.usage) if noted(folder) is None else write_state(folder), zone=zone)


def zone_in(folder: StateFolder, revision: str) -> str:
    """Return the time zone of a kept policy. Raises `NotFound`, `Corruption`."""
    content = kept_files(folder.policies, revision).get(CALENDAR_FILE)
    findings = Findings()
    text = decode(CALENDAR_FILE, content, findings) if content is not None else None
    file = read_toml(CALENDAR_FILE, text, findings) if text is not None else None
    return read_calendar(file, findings).zone if file is not None else DEFAULT_ZONE
