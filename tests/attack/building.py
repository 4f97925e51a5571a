"""What a repository does to have something run, or read, before anybody has agreed; built by the real Nix."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from tests.attack.attempt import Attempt, Told
from tests.attack.world import World
from tests.onhost.bench import Bench
from tests.onhost.nix_platform import SYSTEM, project_files
from tests.onhost.test_untouched import MODULES, trap

_COUNT = count(1)
_BRANCH = "slow"
_BUILT, _FAILED = '"status": "built"', '"status": "failed"'
_PURE = "is forbidden in"
_HERE = "inputs come from a forge"
_OUTPUTS, _TOPLEVEL = "outputs = { self }", "    nixosConfigurations.HOST.config.system.build.toplevel"
_REBUILD = """    nixosConfigurations.HOST.config.system.build.nixos-rebuild = derivation {
      name = "nixos-rebuild";
      system = "SYSTEM";
      builder = "/bin/sh";
      args = [ "-c" ''mkdir -p $out/bin; echo "$script" > $out/bin/nixos-rebuild; chmod +x $out/bin/*'' ];
      script = "#!/bin/sh\\ntouch PWNED";
      PATH = "/bin:/usr/bin";
    };
"""


@dataclass(frozen=True, kw_only=True)
class Tree:
    """What is put on a branch: files, links, and pieces of flake.nix that stand in place of others.

    PWNED, ROOT, HOST and SYSTEM in all of it are those of the host.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    flake: Mapping[str, str] = field(default_factory=dict)

    async def commit(self, world: World, project: str) -> None:
        """Commit it."""
        repositories, platform = world.nix.machine.repositories, project == "platform"
        files = {"flake.nix": world.kept["platform"]} if platform else dict(project_files(project, f"6.{next(_COUNT)}"))
        files["flake.nix"] = re.sub('note = "[^"]*"', f'note = "{next(_COUNT)}"', files["flake.nix"])
        for old, new in self.flake.items():
            assert _filled(world, old) in files["flake.nix"]
            files["flake.nix"] = files["flake.nix"].replace(_filled(world, old), _filled(world, new), 1)
        files |= {name: _filled(world, text) for name, text in self.files.items()}
        links = {name: _filled(world, target) for name, target in self.links.items()}
        repository = repositories.platform if platform else repositories.projects[project]
        repository.commit("Try", files, branch="main" if platform else _BRANCH, onto="main", links=links)


#: A platform that brings a nixos-rebuild of its own.
REBUILDING = Tree(flake={_TOPLEVEL: f"{_REBUILD}{_TOPLEVEL}"})


def _filled(world: World, text: str) -> str:
    machine = world.nix.machine
    for word, value in {"PWNED": world.nix_pwned, "ROOT": machine.root, "HOST": machine.host, "SYSTEM": SYSTEM}.items():
        text = text.replace(word, str(value))
    return text


async def built(bench: Bench, project: str) -> tuple[str, str]:
    """Have it built, planned and looked at in every way; return the job and the words of the end and of Nix."""
    job = f"jtree{next(_COUNT)}"
    end = await bench.prepare(job, project, **({} if project == "platform" else {"revision": _BRANCH}))
    if end["status"] == "built":
        await bench.ask("plan", job=job)
        await bench.ask("preflight", project=project)
    said = json.dumps({key: end[key] for key in ("status", "error") if key in end})
    warnings = [line for line in bench.log(job, "prepare").splitlines() if "untrusted" in line]
    return job, "\n".join([said, *warnings])


def _tree(what: str, tree: Tree, *refused: str, project: str = "hello-bot") -> Attempt:
    async def before(world: World) -> None:
        await tree.commit(world, project)

    async def act(world: World) -> Told:
        return Told(words=(await built(world.nix, project))[1])

    return Attempt(what=what, by="malicious project", act=act, before=before, refused=refused)


def _input(what: str, reference: str, *refused: str) -> Attempt:
    """A project takes an input of its own from somewhere."""
    more = f'inputs.more.url = "{reference}"; inputs.more.flake = false; outputs = {{ self, more }}'
    return _tree(what, Tree(flake={_OUTPUTS: more}), _FAILED, *refused)


def _reads(expression: str) -> Tree:
    """Return a project whose package has something of the host in it."""
    return Tree(flake={"package = derivation {": f"package = derivation {{ more = {expression};"})


async def _trapped(world: World) -> Told:
    """What was built brings its own dry-activate, pre-switch check, activation script, version and helper."""
    job, words = await built(world.nix, "hello-bot")
    end = json.loads((world.nix.state / "builds" / job / "result.json").read_text())
    trap(world.nix.machine.root / end["system"].removeprefix(f"{world.nix.machine.root}/"), world.nix_pwned)
    await world.nix.ask("plan", job=job)
    for verb in ("facts", "generations", "list", "newest"):
        await world.nix.ask(verb)
    await world.nix.lines("follow", json.dumps({"job": job, "log": "prepare", "seconds": 1}).encode())
    world.kept["trapped"] = job
    return Told(words=words)


ATTEMPTS = (
    _tree(
        "a flake's own settings (nixConfig)",
        Tree(flake={"{\n": '{\n  nixConfig.post-build-hook = "/usr/bin/touch PWNED";\n'}),
        _BUILT,
        "ignoring untrusted flake configuration setting 'post-build-hook'",
        project="platform",
    ),
    _tree(
        "the settings of a project's flake",
        Tree(flake={"{\n": '{\n  nixConfig.post-build-hook = "/usr/bin/touch PWNED";\n'}),
        _BUILT,
    ),
    _tree(
        "a nixos-rebuild of its own, to go on as that one",
        REBUILDING,
        _BUILT,
        project="platform",
    ),
    _tree(
        "Python modules where the build is started",
        Tree(files=dict.fromkeys(MODULES, "open('PWNED', 'w').close()\n")),
        _BUILT,
        project="platform",
    ),
    _tree("a file of the host by its path", _reads("builtins.readFile ROOT/etc/opsbot/host.json"), _FAILED, _PURE),
    _tree(
        "the same, through a link in the repository",
        Tree(
            links={"motd": "ROOT/etc/opsbot/host.json"},
            flake={"package = derivation {": "package = derivation { more = builtins.readFile ./motd;"},
        ),
        _FAILED,
        _PURE,
    ),
    _tree(
        "a program at evaluation",
        _reads('builtins.exec [ "/usr/bin/touch" "PWNED" ]'),
        _FAILED,
        "attribute 'exec' missing",
    ),
    _input("an input by a transport that is a program", "git+ext::sh%20-c%20touch%25%20PWNED", "error: "),
    _input("an input that is a folder of the host", "path:ROOT/etc", _HERE),
    _input("an input that is a repository on the host", "git+file://ROOT/srv/git/platform.git?ref=main", _HERE),
    _tree(
        "hooks, filters and submodules of git",
        Tree(
            files={
                ".gitattributes": "* filter=evil diff=evil merge=evil\n",
                ".gitmodules": '[submodule "x"]\npath = x\nurl = ext::sh -c "touch PWNED"\nupdate = !touch PWNED\n',
                "hooks/post-checkout": "#!/bin/sh\ntouch PWNED\n",
            }
        ),
        _BUILT,
        project="platform",
    ),
    Attempt(
        what="its own dry-activate, pre-switch check and helper",
        by="malicious project",
        act=_trapped,
        before=lambda world: Tree().commit(world, "hello-bot"),
        refused=(_BUILT,),
    ),
)
