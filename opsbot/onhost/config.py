"""The host's own configuration, which root writes and which the bot cannot change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from opsbot.onhost.errors import HostError
from opsbot.onhost.sections import NAME, ConfigError, Section
from opsbot.onhost.services import Service, checks, service

#: MiB that a deploy wants to be free, by folder; the folder of the state comes in beside them.
_FREE = {"/nix": 1024, "/boot": 64}
_STATE_FREE = 64


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A repository elsewhere, and what of it may be deployed."""

    url: str
    branch: str = "main"
    push_url: str | None = None
    #: Patterns of the branches and tags that are protected: a commit that is on none of them is not deployed.
    branches: tuple[str, ...] = ("main",)
    tags: tuple[str, ...] = ()
    #: git's own file of allowed signers, by a key of which a commit must be signed; None asks for no signature.
    signers: Path | None = None

    def protects(self, ref: str) -> bool:
        """Say whether a branch or tag, by its full name, is one that commits may be deployed from."""
        kind, _, name = ref.removeprefix("refs/").partition("/")
        patterns = {"heads": self.branches, "tags": self.tags}.get(kind, ())
        return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, kw_only=True)
class Project(Service):
    """One flake input of the platform, and how to tell that it is well."""

    input: str
    remote: Remote
    #: Units of others that it cannot be well without, beside those that its own unit files require.
    needs: tuple[str, ...] = ()
    #: Seconds in which the bot must confirm.
    window: int = 180
    #: Whether a failed proof undoes it; else a person decides.
    undo: bool = True


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a host is told about itself."""

    path: Path
    host: str
    state: Path
    profile: Path
    running: Path
    booted: Path
    #: The file with the id of this boot.
    boot_id: Path
    platform: Remote
    projects: Mapping[str, Project]
    #: What else runs on the host and has a way to tell that it is well.
    services: Mapping[str, Service]
    #: The user who runs the commands of the checks.
    check_user: str = "opsbot-check"
    restart: tuple[str, ...] = ()
    logs: tuple[str, ...] = ("*",)
    #: Seconds in which an activation must have come as far as waiting for the bot.
    activation: int = 900
    #: Seconds that the checks have at least to hold when a database is migrated first.
    migration: int = 120
    #: MiB that must be free before anything is built, by folder; 0 does not look.
    free: Mapping[str, int] = field(default_factory=dict)
    #: Seconds that the host's clock and the bot's may be apart.
    clock: int = 60
    #: The lock that switch-to-configuration holds, whoever runs it.
    switch_lock: Path = Path("/run/nixos/switch-to-configuration.lock")

    def remote(self, project: str) -> Remote:
        """Return the repository of a project or of the platform; an unknown name is refused."""
        if project == "platform":
            return self.platform
        return self.project(project).remote

    def project(self, name: str) -> Project:
        """Return a project by its name; an unknown one is refused."""
        if name not in self.projects:
            raise HostError("unknown", f"This host has no project {name}.")
        return self.projects[name]


def _remote(section: Section) -> Remote:
    branch, signers = section.text("branch", "main"), section.maybe("signers")
    remote = Remote(
        url=section.text("url"),
        branch=branch,
        push_url=section.maybe("push_url"),
        branches=section.texts("branches", (branch,)),
        tags=section.texts("tags"),
        signers=Path(signers) if signers else None,
    )
    if not remote.protects(f"refs/heads/{branch}"):
        raise ConfigError(f"{section.where}.branches", f"{branch} must be among them, for it is the branch")
    if remote.signers and not remote.signers.is_absolute():
        raise ConfigError(f"{section.where}.signers", "this must be the full path of git's file of allowed signers")
    return remote


def _project(name: str, value: Any) -> Project:
    where = f"projects.{name}"
    if name == "platform":
        raise ConfigError(where, "this is not a name for a project")
    section = Section(value, where)
    project = Project(
        name=name,
        input=section.text("input", name),
        remote=_remote(section),
        needs=section.units("needs"),
        window=section.seconds("window", 180),
        undo=section.yes("undo", default=True),
        **checks(name, section),
    )
    section.end()
    return project


def parse(text: str, path: Path) -> Config:
    """Turn the JSON text of the file at PATH into a configuration; the first thing that is wrong is told."""
    try:
        section = Section(json.loads(text), "the top")
    except (ValueError, RecursionError) as error:
        raise ConfigError("the top", f"this is not JSON ({error})") from error
    platform = Section(section.rest.pop("platform", None), "platform")
    state = section.text("state", "/var/lib/opsbot")
    config = Config(
        path=path,
        host=section.text("host"),
        state=Path(state),
        profile=Path(section.text("profile", "/nix/var/nix/profiles/system")),
        running=Path(section.text("running", "/run/current-system")),
        booted=Path(section.text("booted", "/run/booted-system")),
        boot_id=Path(section.text("boot_id", "/proc/sys/kernel/random/boot_id")),
        platform=_remote(platform),
        projects={name: _project(name, value) for name, value in section.named("projects").items()},
        services={name: service(name, value) for name, value in section.named("services").items()},
        check_user=section.text("check_user", "opsbot-check"),
        restart=section.units("restart"),
        logs=section.texts("logs", ("*",)),
        activation=section.seconds("activation", 900),
        migration=section.seconds("migration", 120),
        free=section.sizes("free", {**_FREE, state: _STATE_FREE}),
        clock=section.seconds("clock", 60),
        switch_lock=Path(section.text("switch_lock", "/run/nixos/switch-to-configuration.lock")),
    )
    platform.end()
    section.end()
    if not NAME.fullmatch(config.host):
        raise ConfigError("host", "this is not a host's name")
    if config.check_user == "root":
        raise ConfigError("check_user", "checks do not run as root")
    return config


def load(path: Path) -> Config:
    """Read the configuration from a file."""
    try:
        return parse(path.read_text(encoding="utf-8"), path.resolve())
    except OSError as error:
        raise ConfigError(str(path), f"it cannot be read ({error.strerror})") from error
