"""A host that keeps the protocol of docs/host-protocol.md in memory, and can be made to fail."""

from collections.abc import AsyncIterator, Mapping

from opsbot.errors import HostError, HostUnreachableError
from opsbot.model import Json
from opsbot.testing.boot import proof, reboot, stage
from opsbot.testing.bystander import Bystander
from opsbot.testing.facts import commit_of, facts, system_of
from opsbot.testing.told import Told

__all__ = ["FakeHost", "commit_of", "system_of"]


class FakeHost(Told, Bystander):
    """One host with its generations. Every verb is recorded in `asked`."""

    def __init__(self, name: str = "ops-jrz1", projects: tuple[str, ...] = ("hello-bot", "web-shop")) -> None:
        self.name = name
        super().__init__()
        self.asked: list[tuple[str, Json]] = []
        self.activations: list[str] = []
        #: What waits for a reboot or its proof, as the facts tell it, and how often the host was rebooted.
        self.staged: Json = None
        self.boots = 0
        self.restarted: list[str] = []
        #: What units have said, where it is not a few hundred lines.
        self.journal: dict[str, list[str]] = {}
        self.generations: list[Json] = []
        #: A system that runs and is no generation.
        self.trial: Json = None
        #: The parts of each job, by its id.
        self.jobs: dict[str, dict[str, Json]] = {}
        pins = {project: commit_of(f"{project} 1") for project in projects}
        self.add(system_of("first"), commit_of("platform 1"), pins)

    def add(self, system: str, commit: str, pins: Mapping[str, str]) -> int:
        """Add a generation that runs and is the default; return its number."""
        for one in self.generations:
            one["current"] = one["running"] = False
        number = 31 + len(self.generations)
        found = {"generation": number, "system": system, "date": self.now(), "commit": commit, "job": None}
        self.generations.insert(0, {**found, "pins": dict(pins), "proved": True, "current": True, "running": True})
        return number

    def add_generation(self, words: str) -> int:
        """Switch the host behind the bot's back, to a system made of words; return its number."""
        return self.add(system_of(words), commit_of(words), self.running["pins"])

    def build_anew(self, words: str) -> None:
        """Make every build that is not activated yet, and every later one, another system."""
        self.built_anew = words
        for job in (one for one in self.jobs.values() if "activate" not in one):
            job["prepare"]["system"] = system_of(words)

    @property
    def running(self) -> Json:
        """The generation that runs."""
        return self.trial or next(one for one in self.generations if one["running"])

    async def ask(self, verb: str, arguments: Mapping[str, Json] | None = None, *, within: float = 30.0) -> Json:
        """Answer one verb."""
        del within
        given = dict(arguments or {})
        self.asked.append((verb, given))
        if self.away:
            raise HostUnreachableError(f"{self.name} cannot be reached: Connection refused.")
        if self.stranger is not None:
            raise self.stranger
        if verb in self.says:
            return self.says[verb]
        answer = getattr(self, "state" if verb == "state" else f"_{verb}", None)
        if answer is None or verb in self.unknown:
            raise HostError(f"There is no verb {verb}.", code="bad-request")
        if verb in self.unitless:
            raise HostError(f"Unit opsbot-{verb}@{given['job']}.service not found.")
        result = answer(given)
        if self.fail_next:
            self.fail_next -= 1
            raise HostError("The configuration of this host is wrong.", code="failed")
        if self.lose_next:
            self.lose_next -= 1
            raise HostUnreachableError("Connection lost.")
        return result

    async def follow(self, job: str, log: str, offset: int, *, seconds: int = 60) -> AsyncIterator[Json]:
        """Yield the log once, then the state."""
        del seconds
        if self.away:
            raise HostUnreachableError("Connection lost.")
        if log == "prepare":
            async for line in self.lines(offset):
                yield line
        yield {"state": self.state({"job": job})}

    async def close(self) -> None:
        """Take note that the next question comes over another connection."""
        self.asked.append(("close", {}))

    def state(self, given: Json) -> Json:
        """Return the state of a job."""
        return {"prepare": None, "activate": None, "publish": None, **self.jobs.get(given["job"], {})}

    def _begin(self, given: Json, part: str, usual: Json) -> Json:
        parts = self.jobs.setdefault(given["job"], {})
        if part not in parts:
            parts[part] = {**usual, **self.endings.get(part, {})}
        return self.state(given)

    def _facts(self, given: Json) -> Json:
        spoken = {"version": self.version, "protocol": self.protocol, "host": self.name}
        known = facts(self.running, self.generations[-1]["system"], given.get("units", ()))
        return {**spoken, **known, "staged": self.staged, "boot_id": f"boot-{self.boots}"}

    def _logs(self, given: Json) -> Json:
        rows = self.journal.get(given["unit"], [f"{given['unit']} line {n}" for n in range(1, 300)])
        return {"unit": given["unit"], "lines": rows[-given["lines"] :]}

    def _restart(self, given: Json) -> Json:
        self.restarted.append(given["unit"])
        return {}

    def _newest(self, given: Json) -> Json:
        del given
        projects = {name: {"commit": commit_of(f"{name} main")} for name in self.running["pins"]}
        return {"platform": {"commit": self.running["commit"]}, "projects": projects}

    def _generations(self, given: Json) -> Json:
        del given
        waiting = (self.staged or {}).get("generation")
        return [{**one, "staged": one["generation"] == waiting} for one in self.generations]

    def _preflight(self, given: Json) -> Json:
        del given
        spoken = {"version": self.version, "protocol": self.protocol, "host": self.name}
        return {**spoken, "time": self.now(), "clock": self.clock, "problems": list(self.problems)}

    def _prepare(self, given: Json) -> Json:
        project, revision = given["project"], given["revision"]
        named = commit_of(f"{project} {revision}")
        pin, ref = (revision, self.found_on) if len(revision) == len(named) else (named, revision)
        pins = self.running["pins"] | {project: pin}
        usual = {
            "status": "unchanged" if self.running["pins"].get(project) == pin else "built",
            "base": self.running["system"],
            "pin": pin,
            "pin_before": self.running["pins"].get(project),
            "ref": ref,
            "subject": f"Change {project}",
            "commit": commit_of(f"platform with {sorted(pins.items())}"),
            "pins": pins,
            "system": system_of(f"{sorted(pins.items())}{self.built_anew}"),
        }
        if project == "platform":
            usual["pins"] = pins | {name: commit_of(f"{name} main") for name in self.platform_moves}
        if held := sorted(set(given.get("held", ())).intersection(self.platform_moves)):
            error = {"code": "held", "message": f"It would move {', '.join(held)}."}
            usual |= {"status": "failed", "held": held, "error": error}
        self.on_prepare()
        return self._begin(given, "prepare", usual)

    def _plan(self, given: Json) -> Json:
        if "job" in given:
            built = self.jobs[given["job"]]["prepare"]
            pins, system = built["pins"], built["system"]
        else:
            wanted = self.numbered(given["generation"])
            pins, system = wanted["pins"], wanted["system"]
        now = self.running["pins"]
        moves = {name: [now.get(name), pin] for name, pin in pins.items() if now.get(name) != pin}
        units = {"stop": [], "start": [], "restart": [f"{name}.service" for name in sorted(moves)], "reload": []}
        self.on_plan()
        usual = {"system": system, "base": self.running["system"], "closure": [], "units": units, "foreign": []}
        return {**usual, "own": units["restart"], "kernel_changed": False, "commits": [], "moves": moves, **self.plan}

    def numbered(self, number: int) -> Json:
        """Return a generation by its number."""
        for one in self.generations:
            if one["generation"] == number:
                return one
        raise HostError(f"There is no generation {number}.", code="unknown")

    def _activate(self, given: Json) -> Json:
        if given["base"] != self.running["system"] and "activate" not in self.jobs[given["job"]]:
            raise HostError("Another system runs now.", code="base-moved")
        if given.get("system") not in (None, self.jobs[given["job"]]["prepare"]["system"]):
            raise HostError("This is another system than the one that was agreed to.", code="base-moved")
        return self._waits(given)

    def _rollback(self, given: Json) -> Json:
        self.jobs.setdefault(given["job"], {})["prepare"] = self.numbered(given["generation"])
        return self._waits(given)

    def _waits(self, given: Json) -> Json:
        if given.get("boot"):
            return stage(self, given)
        if "activate" not in self.jobs[given["job"]]:
            self.activations.append(given["job"])
            self.on_activate()
        if self.jobs[given["job"]].get("activate", {}).get("status") == "lost":
            self.jobs[given["job"]]["activate"]["status"] = "waiting"
            self._confirm(given)
        usual = {"status": "waiting", "deadline": 4e9, "warnings": [], "base": self.running["system"]}
        usual["base_generation"] = self.running["generation"]
        return self._begin(given, "activate", usual)

    def _confirm(self, given: Json) -> Json:
        parts = self.jobs[given["job"]]
        if self.lose_commit:
            self.lose_commit = False
            parts["activate"]["status"] = "lost"
        elif parts["activate"]["status"] == "waiting":
            wanted = parts["prepare"]
            number = wanted.get("generation") or self.add(wanted["system"], wanted["commit"], wanted["pins"])
            for one in self.generations:
                one["running"] = one["current"] = one["generation"] == number
            parts["activate"] |= {"status": "committed", "generation": number}
            self.numbered(number)["proved"], self.staged = True, None
            if given.get("despite"):
                parts["activate"] |= {"proved": False, "why": given["despite"]}
                self.numbered(number)["proved"] = False
        return self.state(given)

    def _prove(self, given: Json) -> Json:
        return proof(self, given)

    def reboot(self, *, into: int | None = None) -> None:
        """Reboot the host: into its default, or INTO the generation that somebody chose at its console."""
        reboot(self, into)

    def _revert(self, given: Json) -> Json:
        self.jobs[given["job"]]["activate"] |= {"status": "reverted", "why": given["reason"] + "."}
        return self.state(given)

    def _publish(self, given: Json) -> Json:
        self.publish_fails -= 1
        if self.publish_fails >= 0:
            error = {"code": "failed", "message": "Connection refused."}
            self.jobs[given["job"]]["publish"] = {"status": "failed", "error": error}
            return self.state(given)
        if (self.jobs[given["job"]].get("publish") or {}).get("status") == "failed":
            del self.jobs[given["job"]]["publish"]
        main = "pushed" if self.jobs[given["job"]]["prepare"].get("status") else "untouched"
        return self._begin(given, "publish", {"status": "published", "deployed": "pushed", "main": main})

    def _cancel(self, given: Json) -> Json:
        if "prepare" not in self.jobs.get(given["job"], {}):
            raise HostError("There is no such job.", code="unknown")
        self.at_work = False
        return self.state(given)
