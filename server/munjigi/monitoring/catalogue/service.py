"""The daemon's processes, and these numbers themselves."""

from __future__ import annotations

from typing import Final

from munjigi.monitoring.metric import Metric

WORKERS: Final = Metric("munjigi_workers", "gauge", "Gateway workers that there should be.")
WORKER_READY: Final = Metric("munjigi_worker_ready", "gauge", "Gateway workers that serve.", across="livesum")
FOLLOWER_HEARTBEAT: Final = Metric(
    "munjigi_follower_heartbeat_timestamp_seconds", "gauge", "When the follower last looked at the journals."
)
FOLLOWER_JOB_FAILURES: Final = Metric(
    "munjigi_follower_job_failures_total",
    "counter",
    "Failed steps of the follower's jobs; each is tried again.",
    ("follower_job",),
)
FOLLOWER_JOB_FAILING: Final = Metric(
    "munjigi_follower_job_failing", "gauge", "1 while a job of the follower fails, so that its work piles up.", ("follower_job",)
)
SAMPLE_COMPANY: Final = Metric(
    "munjigi_sample_company", "gauge", "1 where people are the sample company's: the embedded identity, never for real members."
)
SYNTHETIC: Final = Metric("munjigi_synthetic", "gauge", "1 where all people and records are made up by `munjigi demo --fast`.")
BUILD: Final = Metric("munjigi_build_info", "gauge", "1, with the versions of Munjigi and Python.", ("version", "python"))
PROCESS_CPU: Final = Metric(
    "munjigi_process_cpu_seconds_total", "counter", "Processor time of a process, user and system.", ("process",)
)
PROCESS_RESIDENT: Final = Metric(
    "munjigi_process_resident_bytes", "gauge", "Memory of a process that is resident.", ("process",), across="livesum"
)
PROCESS_FILES: Final = Metric(
    "munjigi_process_open_files", "gauge", "Open files and sockets of a process.", ("process",), across="livesum"
)
PROCESS_START: Final = Metric(
    "munjigi_process_start_timestamp_seconds", "gauge", "When a process was started.", ("process",), across="livemax"
)
LOOP_STALL: Final = Metric(
    "munjigi_loop_stall_seconds",
    "gauge",
    "Longest time in the last minute that a process' event loop was held up.",
    ("process",),
    across="livemax",
)
SCRAPE_SECONDS: Final = Metric("munjigi_scrape_seconds", "gauge", "How long the page before this one took to be rendered.")
SERIES: Final = Metric("munjigi_series", "gauge", "Samples that the page before this one had.")
