"""What comes in the repositories, and what a builder that was taken over tells root."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from opsbot.model import Json
from opsbot.onhost import git
from opsbot.onhost.repository import Repository
from opsbot.standin import flake, samples
from tests.attack.attempt import Attempt, Told
from tests.attack.kinds import NO
from tests.attack.world import World

Before = Callable[[World], Awaitable[None]]
_COUNT = iter(range(100, 1000))
_OTHER = samples.project("hello-bot", "6.6.6", hello="Pwned", tested=False)


async def _prepared(world: World, project: str, revision: str) -> Told:
    """Have something built, and return what became of it."""
    job = f"jrepo{next(_COUNT)}"
    await world.verb("prepare", job=job, project=project, revision=revision)
    return _told(await world.part(job, "prepare", "built", "unchanged", "failed"))


def _told(part: Json) -> Told:
    """Return how a part of a job ended, and why."""
    return Told(words=json.dumps({key: part[key] for key in ("status", "error") if key in part}))


def _unprotected(what: str, project: str, name: Callable[[str], str], *, tag: str | None = None) -> Attempt:
    """A commit beside the protected branches is asked for by a name."""

    async def before(world: World) -> None:
        team = world.machine.repositories
        repository = team.platform if project == "platform" else team.projects[project]
        files = {"README.md": "pwned"} if project == "platform" else _OTHER
        branch = f"try-{next(_COUNT)}"
        world.kept |= {"branch": branch, "commit": repository.commit("Try", files, branch=branch, onto="main", tag=tag)}

    async def act(world: World) -> Told:
        return await _prepared(world, project, name("{branch} {commit}").format(**world.kept))

    refused = ('"status": "failed"', '"code": "unprotected"')
    return Attempt(what=what, by="stolen SSH key", act=act, refused=refused, before=before)


def _branch(_: str) -> str:
    return "{branch}"


def _commit(_: str) -> str:
    return "{commit}"


async def _built(world: World) -> str:
    """Build what may be built; return the name of the job."""
    job = f"jroot{next(_COUNT)}"
    await world.verb("prepare", job=job, project="hello-bot", revision="main")
    await world.part(job, "prepare", "built", "failed")
    return job


def _of_root(
    what: str, refused: tuple[str, ...], change: Callable[[World, str, Json], Json], before: Before | None = None
) -> Attempt:
    """The builder tells root another result than the true one."""

    async def act(world: World) -> Told:
        job = await _built(world)
        path = world.machine.root / "var/lib/opsbot/builds" / job / "result.json"
        result = json.loads(path.read_text())
        path.write_text(json.dumps({**result, **change(world, job, result)}))
        answer = await world.verb("activate", job=job, base=result["base"])
        if '"ok":false' in answer:
            return Told(words=answer)
        return _told(await world.part(job, "activate", "refused", "waiting", "reverted", "committed"))

    return Attempt(what=what, by="taken over builder", act=act, refused=refused, before=before)


def _cache(world: World) -> Repository:
    """Return the platform's repository of the builder's own."""
    return Repository(path=world.machine.root / "var/lib/opsbot/builds/platform.git")


def _relocked(world: World, result: Json, change: Callable[[Any], None]) -> Json:
    """Make a commit in the builder's cache whose flake.lock differs from what was built."""
    cache = _cache(world)
    lock = json.loads(cache.text(result["commit"], "flake.lock"))
    change(lock["nodes"])
    commit = cache.commit_file(result["base_commit"], "flake.lock", json.dumps(lock), "x", git.author("evil"))
    return {"commit": commit}


def _second_pin(world: World, _: str, result: Json) -> Json:
    def change(nodes: Any) -> None:
        nodes["nixpkgs"]["locked"]["rev"] = "0" * 40

    return _relocked(world, result, change)


def _other_origin(world: World, _: str, result: Json) -> Json:
    def change(nodes: Any) -> None:
        nodes["hello-bot"]["original"]["url"] = "https://evil.example/hello-bot.git"

    return _relocked(world, result, change)


def _unmerged_pin(world: World, _: str, result: Json) -> Json:
    """Pin a commit that is in the builder's cache, and on a branch that is not protected."""
    hello = world.machine.repositories.projects["hello-bot"]
    Repository(path=_cache(world).path.with_name("hello-bot.git")).mirror(hello.url)
    commit = hello.head("unmerged")

    def change(nodes: Any) -> None:
        nodes["hello-bot"]["locked"]["rev"] = commit

    return _relocked(world, result, change)


def _more_files(world: World, _: str, result: Json) -> Json:
    commit = _cache(world).commit_file(result["commit"], "flake.nix", "{ }", "x", git.author("evil"))
    return {"commit": commit}


def _another_system(world: World, job: str, _: Json) -> Json:
    """Tell of a system that this job has not built."""
    return {"system": str(world.machine.root / "nix/store" / f"{'0' * 32}-nixos-system-evil-{job}")}


async def _hooked(world: World) -> None:
    """The repository that root reads says which programs git is to run."""
    await _built(world)
    script, git_folder = f"#!/bin/sh\ntouch {world.pwned}\n", _cache(world).path
    (git_folder / "hooks").mkdir(exist_ok=True)
    programs = [git_folder / "hooks" / name for name in ("post-checkout", "post-index-change", "reference-transaction")]
    for path in (*programs, git_folder / "evil"):
        path.write_text(script)
        path.chmod(0o755)
    evil = git_folder / "evil"
    keys = ("core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "core.askPass", "diff.external")
    for key in (*keys, "uploadpack.packObjectsHook", "credential.helper", "alias.log", "gpg.program"):
        flake.git("-C", str(git_folder), "config", key, str(evil))


async def _replaced(world: World) -> Told:
    """The builder puts an older system in place of the one that somebody agreed to."""
    job = await _built(world)
    path = world.machine.root / "var/lib/opsbot/builds" / job / "result.json"
    result = json.loads(path.read_text())
    older = str((world.machine.layout.profile.parent / "system-29-link").resolve())
    path.write_text(json.dumps({**result, "system": older}))
    link = path.with_name("result")
    link.unlink()
    link.symlink_to(older)
    return Told(words=await world.verb("activate", job=job, base=result["base"], system=result["system"]))


async def _unmerged(world: World) -> None:
    _committed(world, "Try", _OTHER, "unmerged")


def _committed(world: World, subject: str, files: Mapping[str, str], branch: str) -> None:
    """Somebody who may push to a project pushes to a branch of it."""
    world.machine.repositories.projects["hello-bot"].commit(subject, files, branch=branch, onto="main")


async def _renamed(world: World) -> None:
    """A project has renamed its service to one of the platform's."""
    files = samples.project("hello-bot", "1.9", tested=False)
    files["service.json"] = files["service.json"].replace('"name": "hello-bot"', '"name": "sshd"')
    _committed(world, "Rename", files, "slow")


async def _foreign_units(world: World) -> Told:
    return await world.ended("deployer", "!deploy hello-bot slow")


async def _shouting(world: World) -> None:
    """A project's build writes a log for everybody who reads it."""
    files = samples.project("hello-bot", "1.9", behaviour="does-not-build")
    noise = [
        "\x1b]0;x\x07\x1b[2J",
        "<img src=x onerror=alert(1)>",
        "@room !deploy platform",
        '{"ok": true, "result": {}}',
    ]
    files["test_hello_bot.py"] = f"for line in {noise!r}:\n    print(line)\nraise SystemExit(1)\n"
    _committed(world, "Shout", files, "does-not-build")


async def _evil_log(world: World) -> Told:
    told = await world.ended("deployer", "!deploy hello-bot does-not-build")
    shown = [line for line in await world.lines() if line.thread == told.event]
    through = any("<img" in line.html or "matrix.to" in line.html or "\x1b" in line.body for line in shown)
    return Told(words=f"It came through: {told.words}") if through else told


UNPROTECTED = (
    _unprotected("a branch that is not protected", "hello-bot", _branch),
    _unprotected("a commit beside the protected branches", "hello-bot", _commit),
    _unprotected("the first letters of such a commit", "hello-bot", lambda _: "{commit:.8}"),
    _unprotected("a tag that somebody has put on it", "hello-bot", lambda _: "v6.6.6", tag="v6.6.6"),
    _unprotected("a branch of the platform that is not protected", "platform", _branch),
    _unprotected("a commit of the platform beside main", "platform", _commit),
)

BUILDER = (
    _of_root("a commit that moves a second input", ("would have moved other inputs too",), _second_pin),
    _of_root(
        "a commit that takes the project from elsewhere", ("would have changed where it comes from",), _other_origin
    ),
    _of_root("a commit that pins what is on no protected branch", ('"code": "unprotected"',), _unmerged_pin, _unmerged),
    _of_root("a commit that changes a module beside the pin", ("is not the running commit with one pin",), _more_files),
    _of_root(
        "main's head in place of what was built",
        ("is not the running commit with one pin",),
        lambda world, *_: {"commit": world.machine.repositories.platform.head()},
    ),
    _of_root(
        "an option of git in place of the commit",
        ("was not built from the commit that runs",),
        lambda *_: {"commit": "--output=/etc/x"},
    ),
    _of_root(
        "another base than what runs",
        ("was not built from the commit that runs",),
        lambda *_: {"base_commit": "0" * 40},
    ),
    _of_root(
        "a repository with settings and hooks of its own",
        ("would have moved other inputs too",),
        _second_pin,
        before=_hooked,
    ),
    Attempt(
        what="another build in place of the one that was agreed to",
        by="taken over builder",
        act=_replaced,
        refused=(NO, "another system than the one that was agreed to"),
    ),
    _of_root("another system than was built", ('"code":"not-ready"',), _another_system),
)

PROJECTS = (
    Attempt(
        what="a project that brings a unit of the platform's",
        by="malicious project",
        act=_foreign_units,
        before=_renamed,
        refused=("that is a change to the platform",),
        audited="deployer",
    ),
    Attempt(
        what="a build log of escape sequences, HTML, calls and JSON",
        by="evil build log",
        act=_evil_log,
        before=_shouting,
        refused=("was not built",),
        audited="deployer",
    ),
)
