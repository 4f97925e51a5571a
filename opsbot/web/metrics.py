"""The figures, for Prometheus. No label takes a value that somebody has said, except the name of a known command."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from opsbot import __version__
from opsbot.happened import Answered, Event, HostAsked, HostLost, JobEnded, PassedOver, Said, StageEnded, TooMuch
from opsbot.model import Job, JobKind, Outcome

#: Stands for every command that there is not.
UNKNOWN = "unknown"

_ANSWER = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STAGE = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The bot's figures, in a registry of its own; HOSTS are shown before they were asked for anything."""

    def __init__(self, hosts: Collection[str]) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        ProcessCollector(registry=registry)
        version = Gauge("opsbot_info", "The version that runs.", ["version"], registry=registry)
        version.labels(__version__).set(1)
        self._leads = Gauge("opsbot_leads", "1 if this bot works, 0 if it stands by.", registry=registry)
        self._commands = Counter(
            "opsbot_commands", "Commands that were seen through, by their end.", ["command", "end"], registry=registry
        )
        self._answers = Histogram(
            "opsbot_command_seconds",
            "Seconds until what came of a command was stored.",
            ["command"],
            buckets=_ANSWER,
            registry=registry,
        )
        self._passed = Counter(
            "opsbot_commands_passed_over", "Commands and jobs that were more than a limit.", ["why"], registry=registry
        )
        self._jobs = Counter(
            "opsbot_jobs_ended", "Jobs that have ended, by their outcome.", ["kind", "outcome"], registry=registry
        )
        self._stages = Histogram(
            "opsbot_stage_seconds", "Seconds that a stage of a job took.", ["stage"], buckets=_STAGE, registry=registry
        )
        self._open = Gauge(
            "opsbot_jobs_open", "Open jobs, by the stage they are at.", ["kind", "stage"], registry=registry
        )
        self._oldest = Gauge(
            "opsbot_oldest_job_seconds", "Age of the oldest open job; 0 without one.", registry=registry
        )
        self._sync = Gauge("opsbot_sync_age_seconds", "Seconds since a sync was last taken in.", registry=registry)
        self._outbox = Gauge("opsbot_outbox_depth", "Messages that wait to be sent.", registry=registry)
        self._asks = Counter(
            "opsbot_host_asks",
            "Questions to a host over SSH, by their end.",
            ["host", "verb", "end"],
            registry=registry,
        )
        self._lost = Counter("opsbot_host_lost", "How often a host was lost.", ["host"], registry=registry)
        self._connected = Gauge(
            "opsbot_host_connected", "Whether the last question to a host was answered.", ["host"], registry=registry
        )
        # What is counted from nothing on: an increase to the first one would not be seen otherwise.
        for host in hosts:
            self._lost.labels(host)
        for why in TooMuch:
            self._passed.labels(why)
        for kind, outcome in product(JobKind, Outcome):
            self._jobs.labels(kind, outcome)

    def listen(self, event: Event) -> None:
        """Count what happened."""
        match event:
            case Answered():
                command = event.command or UNKNOWN
                self._commands.labels(command, event.end).inc()
                self._answers.labels(command).observe(event.seconds)
            case PassedOver():
                self._passed.labels(event.why).inc()
            case StageEnded():
                self._stages.labels(event.stage).observe(event.seconds)
            case JobEnded():
                self._jobs.labels(event.job.kind, event.outcome).inc()
            case HostAsked():
                self._asks.labels(event.host, event.verb, event.said).inc()
                if event.said in {Said.YES, Said.NO, Said.NOTHING}:
                    self._connected.labels(event.host).set(event.said is not Said.NOTHING)
            case HostLost():
                self._lost.labels(event.host).inc()
            case _:
                pass

    def page(self, *, jobs: Iterable[Job], outbox: int, sync_age: float) -> bytes:
        """Return all figures as Prometheus reads them, with those that are looked up at this moment."""
        self._leads.set(1)
        self._open.clear()
        now = oldest = datetime.now(UTC)
        for job in jobs:
            self._open.labels(job.kind, job.stage).inc()
            oldest = min(oldest, job.created_at)
        self._oldest.set((now - oldest).total_seconds())
        self._outbox.set(outbox)
        self._sync.set(sync_age)
        return generate_latest(self._registry)

    def standing_by(self) -> bytes:
        """Return the figures of a bot that waits for another one's database."""
        self._leads.set(0)
        return generate_latest(self._registry)
