"""The daemon itself: calls, their time and their errors, processes, sign-ins."""

from __future__ import annotations

from typing import Final

from panel import NO_RECORD, Dashboard, Panel, Query, asked, or_none, or_zero, rate
from shared import REFUSED_SIGN_INS

_STATE: Final = f"{NO_RECORD} `munjigi doctor` looks at it."
_CALLS: Final = (
    Panel(
        "Workers",
        f"Gateway workers that serve, and how many there should be. {_STATE}",
        "steps",
        "short",
        (Query("sum(munjigi_worker_ready{$at})", "ready"), Query("sum(munjigi_workers{$at})", "expected")),
        width=8,
    ),
    Panel(
        "Calls by method",
        "Calls a second.",
        "areas",
        "cps",
        asked(rate("munjigi_calls_total", "method"), "{{method}}"),
        width=8,
        records="event.action:access.*",
        search="--since 1h",
    ),
    Panel(
        "Calls that were not answered",
        "Calls a second that ended in an error, by reason (docs/errors.md). A DENY is an answer and not among them.",
        "areas",
        "cps",
        asked(or_none(rate("munjigi_calls_total", "reason", where='reason!="OK"'), "reason"), "{{reason}}"),
        width=8,
        quiet="every call was answered",
        search="--event-type identity.failure",
    ),
    Panel(
        "Mean time of a call, by method",
        "From a call's arrival to its answer, before the sync of its record. How slow the slowest of Check are is on the overview.",
        "lines",
        "s",
        asked(
            f"{rate('munjigi_call_seconds_sum', 'method')} / ({rate('munjigi_call_seconds_count', 'method')} > 0)",
            "{{method}}",
        ),
        records="event.action:access.*",
        search="--since 1h",
    ),
    Panel(
        "No answer for safety's sake",
        "UNAVAILABLE because a worker's lease ran out, because records could not be written, or because the disk is full; in each interval. "
        "docs/alerts.md: LeaseRanOut, RecordsNotWritable, DiskFull; `munjigi doctor` finds the cause.",
        "areas",
        "short",
        (
            Query(or_zero("sum(increase(munjigi_lease_lapses_total{$at}[$__rate_interval]))"), "lease ran out"),
            Query(
                or_zero('sum(increase(munjigi_calls_total{$at, reason=~"AUDIT_UNAVAILABLE|DISK_FULL"}[$__rate_interval]))'),
                "not recorded",
            ),
        ),
        quiet="leases are renewed and records written",
    ),
)
_SIGN_IN: Final = (
    Panel(
        "Sessions",
        "Sessions of employees that a worker has proved and that hold.",
        "lines",
        "short",
        asked("sum by (instance) (munjigi_sessions{$at})", "{{instance}}"),
        width=8,
        records="event.action:identity.session_ended",
        search="--event-type identity.session_ended",
    ),
    REFUSED_SIGN_INS,
    Panel(
        "Doors locked",
        "Doors that were locked for a while after repeated refusals, in each interval.",
        "areas",
        "short",
        asked(or_none("sum by (reason) (increase(munjigi_lockouts_total{$at}[$__rate_interval]))", "reason"), "{{reason}}"),
        width=8,
        records="event.action:identity.lockout",
        search="--event-type identity.lockout",
        quiet="no door was locked",
    ),
)
_PROCESSES: Final = (
    Panel(
        "Processor time",
        f"Processors that each process keeps busy. {_STATE}",
        "areas",
        "percentunit",
        asked("sum by (process) (rate(munjigi_process_cpu_seconds_total{$at}[$__rate_interval]))", "{{process}}"),
        width=8,
    ),
    Panel(
        "Memory",
        f"Resident memory of each process. {_STATE}",
        "areas",
        "bytes",
        asked("sum by (process) (munjigi_process_resident_bytes{$at})", "{{process}}"),
        width=8,
    ),
    Panel(
        "Open files",
        f"Files and sockets that each process has open. {_STATE}",
        "lines",
        "short",
        asked("sum by (process) (munjigi_process_open_files{$at})", "{{process}}"),
        width=8,
    ),
    Panel(
        "Longest stall of the event loop",
        f"How long a process did not come to its next call, in the last minute. {_STATE}",
        "lines",
        "s",
        asked("max by (process) (munjigi_loop_stall_seconds{$at})", "{{process}}"),
        width=8,
    ),
    Panel(
        "Since when it runs",
        "Time since each process was started. A step down is a restart; the log says why.",
        "lines",
        "s",
        asked("max by (process) (time() - munjigi_process_start_timestamp_seconds{$at})", "{{process}}"),
        width=8,
        records="event.action:process.event",
        search="--event-type process.event",
    ),
    Panel(
        "Price of these numbers",
        f"How long the page of metrics took to be rendered. {_STATE}",
        "lines",
        "s",
        asked("max by (instance) (munjigi_scrape_seconds{$at})", "{{instance}}"),
        width=8,
    ),
)

SERVICE: Final = Dashboard(
    "munjigi-service",
    "Munjigi · service",
    "For operators: whether calls are answered, how fast, and what the processes need.",
    (("Calls", _CALLS), ("Sign-in", _SIGN_IN), ("Processes", _PROCESSES)),
)
