"""What a function of a plugin holds while it runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from urllib.parse import parse_qsl

from opsbot.errors import UsageError
from opsbot.jobs.requests import Deploy, Publish, Rollback
from opsbot.model import Job, JobKind, Json, Message, Person, job_id
from opsbot.ports import Host, Storage
from opsbot.site import Site
from opsbot.triggers.signed import event_of
from opsbot.words import Project


@dataclass(frozen=True, kw_only=True)
class _Place:
    """What every function of a plugin has to work with."""

    site: Site
    #: The plugin's file, without its ending.
    plugin: str

    @property
    def storage(self) -> Storage:
        """What this plugin remembers; no other plugin sees it."""
        return self.site.storage(self.plugin)

    def host(self, project: Project | None = None) -> Host:
        """Return the host of a project; without a project, the default one."""
        return self.site.hosts[self.site.host_of(project)]


@dataclass(frozen=True, kw_only=True)
class Context(_Place):
    """What a command has to work with: who said it, and where."""

    message: Message
    person: Person
    #: The names of the room that it was said in.
    rooms: frozenset[str]

    @property
    def zone(self) -> tzinfo:
        """The time zone of the room."""
        return self.site.config.zone_of(self.rooms)

    @property
    def thread(self) -> str:
        """The event whose thread gets the answer."""
        return self.message.thread or self.message.event_id

    async def start(self, request: Deploy | Rollback | Publish) -> Job:
        """Make a job of a request. It begins as soon as the command has returned it and it is stored."""
        match request:
            case Deploy(project, revision, dry_run, reason, force, boot, wait):
                options = {"force": force, "boot": boot, "wait": wait}
                job = self._job(JobKind.DEPLOY, project, target=revision.name, reason=reason, **options)
                return replace(job, dry_run=dry_run)
            case Rollback(target, reason, force, boot):
                wanted = "" if target.generation is None else str(target.generation)
                options = {"force": force, "boot": boot}
                return self._job(JobKind.ROLLBACK, target.project, target=wanted, reason=reason, **options)
            case Publish(done):
                job = self._job(JobKind.PUBLISH, None, target=f"#{done.number}", reason="")
                details = {**job.details, "on_host": (done.details or {}).get("on_host", done.id)}
                return replace(job, host=done.host, project=done.project, details=details)

    def _job(self, kind: JobKind, project: Project | None, *, target: str, reason: str, **options: bool) -> Job:
        return Job(
            id=job_id(self.message.event_id),
            kind=kind,
            host=self.site.host_of(project),
            project="" if project is None else project.name,
            target=target,
            person=self.person.name,
            room_id=self.message.room_id,
            event_id=self.message.event_id,
            thread=self.thread,
            reason=" ".join(reason.split()),
            created_at=self.site.clock.now(),
            details={"rooms": sorted(self.rooms), "options": sorted(name for name in options if options[name])},
        )


@dataclass(frozen=True, kw_only=True)
class Delivery(_Place):
    """What a hook has to work with; whoever sent it knows the hook's secret."""

    #: What the sender calls it; the same when it is sent again.
    id: str
    #: By their names in small letters, without those that prove who sent it.
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> str:
        """What happened, in the word of a forge, like `push`; empty when the sender is none."""
        return event_of(self.headers)

    def json(self) -> Json:
        """Return the body as JSON, also where a form has it as its `payload`. Raises UsageError when it is none."""
        body: bytes | str = self.body
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            # curl says so of everything that it sends, and not all of that is ASCII, as a form is.
            body = dict(parse_qsl(self.body.decode(errors="replace"))).get("payload", body)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise UsageError("The body is not JSON.") from None


@dataclass(frozen=True, kw_only=True)
class Tick(_Place):
    """What a schedule has to work with."""

    #: The time that its expression meant, in the zone of the configuration.
    at: datetime
