"""The follower: reads the logs by cursor for whatever needs them, and renders every process's metrics.

A list of jobs, each a task of its own with its own readers. The follower may die at any moment, since each job
stores its progress with what it makes; decisions go on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import sys
from collections.abc import Sequence
from typing import Final

from munjigi import __version__
from munjigi.adapters.audit_index_sqlite import SqliteAuditIndex
from munjigi.adapters.metrics_folder import began
from munjigi.adapters.prometheus import PrometheusSink
from munjigi.adapters.seal_keys import installation_key
from munjigi.app import logs
from munjigi.app.archiver import Archiver, archive_of
from munjigi.app.child import EXIT_CONFIGURATION, receive_settings, send_ready, stop_on_request
from munjigi.app.cluster import searched
from munjigi.app.config import Settings
from munjigi.app.duty import Duty
from munjigi.app.files import StateFolder
from munjigi.app.folder_place import FolderPlace
from munjigi.app.follower_http import application
from munjigi.app.heartbeat import Heartbeat
from munjigi.app.http import HttpServer, listen
from munjigi.app.indexer import Indexer
from munjigi.app.jobs import Job, Worked
from munjigi.app.log_sources import LogSources
from munjigi.app.packer import Packer
from munjigi.app.review_keeper import review_keeper
from munjigi.app.rights_watch import RightsWatch
from munjigi.app.sealer import Sealer, witnesses_of
from munjigi.app.synthetic import marked
from munjigi.app.usage import usage_counter
from munjigi.app.vitals import Vitals
from munjigi.kernel.clock import SystemClock
from munjigi.kernel.errors import ConfigurationError, MunjigiError
from munjigi.monitoring import catalogue
from munjigi.monitoring.meter import Meter

_BEAT_SECONDS: Final = 1.0


def main() -> int:
    """Run a follower until it is asked to stop; return the exit code."""
    os.umask(0o077)
    settings = receive_settings()
    logs.set_up("follower", settings.log_level, settings.log_format)
    try:
        return asyncio.run(_run(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return EXIT_CONFIGURATION


def _jobs(settings: Settings, folder: StateFolder, sink: PrometheusSink, meter: Meter) -> tuple[list[Job], list[Duty]]:
    """Return what is to be done, and the duties that some of it is done under."""
    witnesses = witnesses_of(settings.witnesses, settings.witness_authority)
    key = installation_key(folder.keys)
    duties: list[Duty] = []
    jobs: list[Job] = [
        Sealer(LogSources(folder), folder, key, witnesses, SystemClock(), meter),
        Packer(folder.journal, meter),
        RightsWatch(folder, SystemClock(), meter, sink.counted, began(folder.metrics)),
        usage_counter(folder, SystemClock(), meter),
    ]
    archive = archive_of(settings)
    if archive is not None:
        jobs.append(Archiver(folder.journal, archive, meter))
    if not searched(settings):
        jobs.append(Indexer(LogSources(folder), SqliteAuditIndex(folder.index), meter))
    if settings.elasticsearch_urls:
        from munjigi.app.shipper import shipper  # noqa: PLC0415 -- a heavy client, imported only where it is used

        jobs.append(shipper(settings, folder, meter))
    notices = bool(settings.notice_webhook or settings.notice_smtp)
    duty, place = None, FolderPlace(folder)
    if notices or settings.scheduled_reviews:  # who has nothing to do by a schedule keeps nobody waiting for it
        duty = Duty(lambda: place.store, settings.lease_seconds, meter)
        duties.append(duty)
    if duty is not None and notices:
        from munjigi.app.notices import notifier  # noqa: PLC0415 -- an HTTP client, imported only where it is used

        jobs.append(notifier(settings, folder, place, duty, meter))
    jobs.append(review_keeper(settings, folder, place, duty if settings.scheduled_reviews else None, meter))
    return jobs, duties


async def _run(settings: Settings) -> int:
    logs.watch_loop(asyncio.get_running_loop())
    stopping = asyncio.Event()
    stop_on_request(asyncio.get_running_loop(), stopping.set)
    folder = StateFolder(settings.state_dir)
    sink = PrometheusSink("follower")
    meter = Meter(sink)
    meter.set(catalogue.BUILD, __version__, platform.python_version(), value=1)
    meter.set(catalogue.SAMPLE_COMPANY, value=float(settings.identity == "embedded"))
    jobs, duties = _jobs(settings, folder, sink, meter)
    works = [Worked(job, meter, stopping) for job in jobs]
    listener = listen(settings.http_address, "MUNJIGI_HTTP_ADDRESS")
    synthetic = marked(folder)
    meter.set(catalogue.SYNTHETIC, value=synthetic)
    server = HttpServer(application(folder, settings, meter, synthetic=synthetic))
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve([listener]))
        beating = tasks.create_task(_beat(folder, meter, works))
        turning = [tasks.create_task(duty.run()) for duty in duties]
        send_ready(http=settings.http_address)
        await asyncio.gather(*(work.run() for work in works))
        for task in (beating, *turning):
            task.cancel()
        server.should_exit = True
        await serving
    return 0


async def _beat(folder: StateFolder, meter: Meter, works: Sequence[Worked]) -> None:
    """Hand metrics on and show a sign of life once a second: serving while no job has been failing for long."""
    clock = SystemClock()
    heartbeat = Heartbeat(folder.run, "follower")
    vitals = Vitals("follower", meter)
    vitals.watch()
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            heartbeat.beat(clock.now(), not any(work.degraded for work in works))
            meter.set(catalogue.FOLLOWER_HEARTBEAT, value=clock.now() / 1e9)
            vitals.note()
            meter.flush()
            await asyncio.sleep(_BEAT_SECONDS)
    meter.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MunjigiError as failure:
        sys.stderr.write(f"{failure.reason}: {failure.message}\n")
        sys.exit(1)
