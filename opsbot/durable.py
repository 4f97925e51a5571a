"""The durable engine: DBOS, the only place that knows it. The facts are in docs/decisions/dbos.md."""

import asyncio
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from opsbot.footprint import deferred
from opsbot.model import Job, JobKind, Json
from opsbot.ports import Run
from opsbot.triggers.cron import newest

with deferred("psycopg", "psycopg.errors"):  # 9 MB, and of use with PostgreSQL only
    from dbos import DBOS, DBOSConfig, ScheduleInput, SetWorkflowID, WorkflowStatus
    from dbos._serialization import Serializer

log = logging.getLogger(__name__)

#: One version for ever: DBOS recovers only workflows of its own version, and leaves others pending without a word.
VERSION = "opsbot"
#: Seconds between two looks for jobs that nobody works on.
_ROUND = 15.0
#: Rounds after which such a job is taken up again; as many more, and it is given up.
_STALLED = 4
#: Works that are forgotten at once.
_CHUNK = 50

_WORKFLOW = "job"
_SCHEDULED = "tick"
#: How long ago a time of a schedule may be that is made up for after a restart.
_MISSED = timedelta(hours=1)
_OPEN = frozenset({"PENDING", "ENQUEUED", "DELAYED"})

Perform = Callable[[str, Run], Awaitable[None]]
OnTick = Callable[[str, datetime, Run], Awaitable[None]]


class JsonSerializer(Serializer):
    """JSON in place of pickle: a writable database must not become code that runs."""

    def serialize(self, data: Any) -> str:
        """Turn a value, or an exception's words, into JSON."""
        return json.dumps(data, default=_plain)

    def deserialize(self, serialized_data: str) -> Any:
        """Turn JSON into a value; an exception comes back with its words only."""
        value = json.loads(serialized_data, object_hook=_time)
        if isinstance(value, dict) and "!error" in value:
            return RuntimeError(value["!error"])
        return value

    def name(self) -> str:
        """Name the format, as it stands beside each value."""
        return "opsbot_json"


def _plain(value: Any) -> Json:
    if isinstance(value, datetime):  # DBOS gives a schedule its time
        return {"!time": value.isoformat()}
    if isinstance(value, BaseException):
        return {"!error": f"{type(value).__name__}: {value}"}
    raise TypeError(f"Only JSON crosses a step, not {type(value).__name__}.")


def _time(value: dict[str, Json]) -> Json:
    return datetime.fromisoformat(value["!time"]) if value.keys() == {"!time"} else value


class DurableRun:
    """The port `Run` on DBOS. ON_LOST is told of a database that fails, before that is remembered as the step's end."""

    def __init__(self, on_lost: Callable[[BaseException], None]) -> None:
        self._on_lost = on_lost

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Do a piece of work and remember its result."""

        async def step() -> Json:  # DBOS awaits only what is an `async def`
            try:
                return await work()
            except Exception as error:
                self._on_lost(error)
                raise

        return await DBOS.run_step_async({"name": name}, step)


class Engine:
    """The port `Engine` on DBOS, which must be alone on its database: whoever launches it holds the lead.

    It connects by the URL, or through a POOL of SQLAlchemy's. ON_LOST is told, and does not come back, when SQLite
    cannot write or read, as on a full disk: the next start goes on where this one was; nothing is remembered as failed.
    """

    def __init__(self, url: str, *, pool: Any = None, on_lost: Callable[[str], NoReturn] | None = None) -> None:
        self._url = url
        self._pool = pool
        self._launched = False
        self._on_lost = on_lost
        self._workflow: Any = None
        self._scheduled: Any = None
        #: Jobs whose functions run, and how often in a row an open one was found without.
        self._at_work: dict[str, asyncio.Task[Any] | None] = {}
        self._idle: Counter[str] = Counter()

    def launch(self, perform: Perform, on_tick: OnTick | None = None) -> None:
        """Open the database and go on with every job that was cut off."""
        config: DBOSConfig = {
            "name": "opsbot",
            "system_database_url": self._url,
            "system_database_engine": self._pool,
            "application_version": VERSION,
            "executor_id": "opsbot",
            "serializer": JsonSerializer(),
            "enable_otlp": False,
            "console_log_level": "ERROR",
        }
        DBOS(config=config)

        async def job(job_id: str) -> None:
            self._at_work[job_id] = asyncio.current_task()
            try:
                await perform(job_id, DurableRun(self._look))
            except Exception as error:
                self._look(error)
                raise
            finally:
                self._at_work.pop(job_id, None)

        async def tick(at: datetime, schedule: str) -> None:
            if on_tick is not None:
                await on_tick(schedule, at, DurableRun(self._look))

        self._workflow = DBOS.workflow(name=_WORKFLOW)(job)
        self._scheduled = DBOS.workflow(name=_SCHEDULED)(tick)
        self._launched = True
        DBOS.launch()

    def _look(self, error: BaseException) -> None:
        """End here if it is the database that has failed; DBOS itself waits for a PostgreSQL that is away."""
        why = getattr(error, "orig", None)
        if self._on_lost is not None and isinstance(why, sqlite3.OperationalError):
            self._on_lost(str(why))

    async def start(self, job: Job) -> None:
        """Start a job; DBOS starts an id only once."""
        with SetWorkflowID(job.id):
            await DBOS.start_workflow_async(self._workflow, job.id)

    async def keep(self, schedules: Mapping[str, str], zone: ZoneInfo, *, since: datetime | None = None) -> None:
        """Keep these SCHEDULES and no others: cron expressions by name, read in ZONE.

        Of the times that a known schedule missed while the bot was away, only the newest is made up for, and only if
        it is less than an hour ago and after SINCE.
        """
        # All of it waits for the disk.
        await asyncio.to_thread(self._keep, schedules, zone, since)

    def _keep(self, schedules: Mapping[str, str], zone: ZoneInfo, since: datetime | None) -> None:
        known = {one["schedule_name"]: one for one in DBOS.list_schedules(workflow_name=_SCHEDULED)}
        for name in known.keys() - schedules.keys():
            DBOS.delete_schedule(name)
        DBOS.apply_schedules([self._entry(name, cron, zone) for name, cron in schedules.items()])
        now = datetime.now(zone)
        for name, cron in schedules.items():
            same = name in known and (known[name]["schedule"], known[name]["cron_timezone"]) == (cron, zone.key)
            missed = newest(cron, now)
            if same and now - missed < _MISSED and (since is None or missed > since):
                DBOS.backfill_schedule(name, missed - timedelta(seconds=1), now)

    def _entry(self, name: str, cron: str, zone: ZoneInfo) -> ScheduleInput:
        return {
            "schedule_name": name,
            "workflow_fn": self._scheduled,
            "schedule": cron,
            "context": name,
            "cron_timezone": zone.key,
        }

    async def watch(
        self,
        open_jobs: Callable[[], Awaitable[list[Job]]],
        give_up: Callable[[Job, str], Awaitable[None]],
        *,
        every: float = _ROUND,
    ) -> None:
        """See that every open job is worked on, or ended by GIVE_UP with the reason; for ever."""
        while True:
            for job in await open_jobs():
                status = await DBOS.get_workflow_status_async(job.id)
                if status is None and _foreign(job) is None:
                    await self.start(job)
                    continue
                reason = _lost(status) or _foreign(job) or await self._stalled(job)
                if reason is not None and job.id in {one.id for one in await open_jobs()}:
                    log.error("job lost", extra={"job": job.number, "reason": reason})
                    await give_up(job, reason)
            await asyncio.sleep(every)

    async def _stalled(self, job: Job) -> str | None:
        """Take up once more what nobody works on, though it should be; return the reason if that did not help."""
        self._idle[job.id] = 0 if job.id in self._at_work else self._idle[job.id] + 1
        if self._idle[job.id] == _STALLED:
            log.error("job stalled, taking it up again", extra={"job": job.number})
            await DBOS.resume_workflow_async(job.id)
        return "nobody works on it" if self._idle[job.id] >= 2 * _STALLED else None

    async def forget(self, before: datetime) -> int:
        """Forget a few of the works that ended BEFORE; return how many, 0 when there are none."""
        ended = await DBOS.list_workflows_async(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            completed_before=before.isoformat(),
            limit=_CHUNK,
            load_input=False,
            load_output=False,
        )
        if ended:
            await DBOS.delete_workflows_async([one.workflow_id for one in ended])
        return len(ended)

    def close(self) -> None:
        """Stop; open jobs go on at the next launch. To be called before the loop cancels its tasks."""
        if self._launched:
            self._launched = False
            DBOS.destroy(workflow_completion_timeout_sec=0)
            # What it leaves at work would find the database and the hosts closed, and complain.
            for task in filter(None, list(self._at_work.values())):
                task.get_loop().call_soon_threadsafe(task.cancel)


def _lost(status: WorkflowStatus | None) -> str | None:
    if status is None:
        return None
    if status.status not in _OPEN:
        return f"{status.status.lower()}: {status.error}" if status.error else status.status.lower()
    if status.app_version != VERSION:
        return f"it was begun by version {status.app_version}"
    return None


def _foreign(job: Job) -> str | None:
    return None if isinstance(job.kind, JobKind) else f"this version does not know what {job.kind!r} is"
