"""What an activation was asked for: which system, for which projects, on which base."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from opsbot.onhost import hazards, plan, protected
from opsbot.onhost.config import Config, Project
from opsbot.onhost.errors import HostError
from opsbot.onhost.prove import near
from opsbot.onhost.revert import reason_for
from opsbot.onhost.services import Service
from opsbot.onhost.state import built, real, staged
from opsbot.onhost.systems import generation_link, ledger, pins_of

_SETTLE = 10


@dataclass(frozen=True)
class Order:
    """One request to put a system in place; ARGUMENTS have passed the grammar."""

    config: Config
    job: str
    verb: str
    arguments: dict[str, Any]

    @cached_property
    def target(self) -> dict[str, Any]:
        """What is to be put in place: the build of this job, or a recorded generation."""
        if self.verb == "activate":
            result = built(self.config, self.job)
            keys = ("project", "system", "base", "base_commit", "base_pins", "commit", "pins")
            return {key: result.get(key) for key in keys}
        number = self.arguments["generation"]
        system = real(generation_link(self.config, number))
        entry = ledger(self.config).entry(number, system)
        commit_id = entry.commit if entry else None
        pins = pins_of(self.config, commit_id, system)
        return {"project": None, "system": system, "generation": number, "commit": commit_id, "pins": pins}

    @property
    def system(self) -> str:
        """The system to put in place."""
        return str(self.target["system"])

    @property
    def boot(self) -> bool:
        """Whether it is only to be the default of the next boot."""
        return bool(self.arguments.get("boot"))

    @property
    def base(self) -> str:
        """The system that must be running."""
        return str(self.arguments["base"])

    @property
    def projects(self) -> list[Project]:
        """The projects that are meant: the one that is deployed, or all."""
        only = self.config.projects.get(self.target["project"] or "")
        return [only] if only else list(self.config.projects.values())

    @property
    def services(self) -> list[Service]:
        """All that has a way to tell that it is well."""
        return [*self.config.projects.values(), *self.config.services.values()]

    @property
    def window(self) -> int:
        """Seconds in which the bot must confirm."""
        longest = max((project.window for project in self.projects), default=180)
        return int(self.arguments["window"] or longest)

    def check(self) -> dict[str, Any]:
        """Compare the base once more and return the first fields of the state; HostError when it may not go on."""
        running = real(self.config.running)
        if running != self.base or self.target.get("base", self.base) != self.base:
            raise HostError("base-moved", "Another system runs than the one that this was prepared for.")
        if self.arguments["system"] not in (None, self.system):
            raise HostError("base-moved", "This is another system than the one that was agreed to.")
        if not (Path(self.system) / "nixos-version").is_file():
            raise HostError("failed", "The system is no longer in the store; prepare it again.")
        if self.system == running and real(self.config.profile) == self.system:
            raise HostError("conflict", "This system runs already, and it is the default.")
        if (why := reason_for(self.config, self.job)) is not None:
            raise HostError("cancelled", why)
        if self.verb == "activate":
            protected.verify(self.config, self.target)
        keeps = {"keeps": self.keeps, "alone": self.alone, "migrated": self.migrated}
        # What waits for a reboot is the default no longer when this one is.
        drops = (staged(self.config) or {}).get("generation")
        return {"verb": self.verb, **self.target, "base": self.base, "window": self.window, **keeps, "drops": drops}

    @cached_property
    def touched(self) -> frozenset[str]:
        """Every unit that the switch does something to, with what falls with it, and the deployed project's own."""
        old, new = Path(self.base), Path(self.system)
        own = {name for project in self.projects if self.target["project"] == project.name for name in project.units}
        return plan.touched(old, new, plan.unit_changes(old, new)) | own

    @property
    def _not_undone(self) -> list[Project]:
        """The projects that this touches and that are not to be undone by themselves."""
        touched = [project for project in self.config.projects.values() if self._touches(project)]
        return [project for project in touched if not project.undo]

    def _touches(self, project: Project) -> bool:
        return self.target["project"] == project.name or not self.touched.isdisjoint(project.units)

    @property
    def keeps(self) -> str | None:
        """Why a failed proof does not undo this; None when it does."""
        names = ", ".join(project.name for project in self._not_undone)
        reasons = [f"this host's configuration says of {names}: never by itself"] if names else []
        if self.migrated:
            reasons.append(f"the older version may not read a database that was migrated ({self.migrated})")
        return "; ".join(reasons) or None

    @cached_property
    def migrated(self) -> str | None:
        """The services whose databases this takes forward, which going back does not undo."""
        found = hazards.databases(Path(self.base), Path(self.system))
        return ", ".join(f"{one.what}, {one.old} → {one.new}" for one in found if not one.back) or None

    @property
    def alone(self) -> bool:
        """Whether this touches nothing but what is not to be undone: then silence does not undo it either."""
        theirs = {unit for project in self._not_undone for unit in project.units}
        return bool(self._not_undone) and self.touched <= theirs

    @property
    def near(self) -> list[Service]:
        """The services whose checks count."""
        return near(self.services, self.touched, {project.name for project in self.projects})

    @property
    def counted(self) -> frozenset[str]:
        """The units and checks that may undo this."""
        return self.touched.union(*(service.checks for service in self.near))

    @property
    def settle(self) -> int:
        """Seconds that all checks may take to hold."""
        longest = max((service.settle for service in self.near), default=_SETTLE)
        return max(longest, self.config.migration) if self.migrated else longest
