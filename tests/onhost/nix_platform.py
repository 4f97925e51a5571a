"""A machine whose Nix is the real one: a store, a profile and flakes of its own; only systemd is a stand-in."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from opsbot.standin import launchers
from opsbot.standin.machine import Machine
from opsbot.standin.paths import link, write
from opsbot.standin.repositories import Repositories, Repository

PROJECTS = ("hello-bot", "web-shop")
_PROGRAMS = Path(__file__).parents[1] / "programs"
SYSTEM = f"{platform.machine()}-linux"

_PROJECT = """{
  outputs = { self }: {
    package = derivation {
      name = "NAME-VERSION";
      system = "SYSTEM";
      builder = "/bin/sh";
      args = [ "-e" "${./build.sh}" ];
    };
  };
}
"""
_WORKS = """PATH=/usr/bin:/bin
mkdir -p $out/bin
echo '#!/bin/sh
echo VERSION is ready
exec /bin/sleep 2147483647' > $out/bin/NAME
chmod +x $out/bin/NAME
"""
_CRASHES = """PATH=/usr/bin:/bin
mkdir -p $out/bin
echo '#!/bin/sh
echo the token is missing
exit 3' > $out/bin/NAME
chmod +x $out/bin/NAME
"""
_DOES_NOT_BUILD = """i=0
while [ $i -lt 40 ]; do i=$((i + 1)); echo "compiling part $i"; done
echo 'main.c:7: it is not C' >&2
exit 2
"""
BEHAVIOURS = {"works": _WORKS, "crashes": _CRASHES, "does-not-build": _DOES_NOT_BUILD}

_PLATFORM = """{
INPUTS
  outputs = { self, ... }@inputs: {
    nixosConfigurations.HOST.config.system.build.toplevel = derivation {
      name = "nixos-system-HOST-24.05";
      system = "SYSTEM";
      builder = "/bin/sh";
      args = [ "-e" "${./build.sh}" ];
      configurationRevision = self.rev;
      pins = builtins.toJSON { PINS };
      packages = [ PACKAGES ];
      note = "NOTE";
    };
  };
}
"""
_SYSTEM_BUILD = r"""PATH=/usr/bin:/bin
units=$out/etc/systemd/system
mkdir -p $units/multi-user.target.wants $out/bin $out/sw/bin $out/etc/opsbot
echo 24.05 > $out/nixos-version
echo "systemd 2" > $out/init-interface-version
echo loglevel=4 > $out/kernel-params
for name in kernel initrd init; do echo $name > $out/$name; done
echo "$pins" > $out/etc/opsbot/pins.json
echo "$note" > $out/etc/motd
for package in $packages; do
  name=${package##*/}; name=${name#*-}; name=${name%-*}
  printf '[Unit]\nDescription=%s\n[Service]\nExecStart=%s/bin/%s\n' $name $package $name > $units/$name.service
  ln -s ../$name.service $units/multi-user.target.wants/$name.service
done
cp UNITS/*.service $units/
ln -s ROOT/bin/* $out/sw/bin/
printf '#!/bin/sh\necho '"'"'{"configurationRevision": "%s", "nixosVersion": "24.05"}'"'"'\n' \
  $configurationRevision > $out/sw/bin/nixos-version
printf '#!/bin/sh\nset -e\nmkdir -p ROOT/etc\nln -sfn %s/etc ROOT/etc/static\n' $out > $out/activate
printf 'ln -sfn static/systemd ROOT/etc/systemd\n' >> $out/activate
printf 'ln -sfn %s ROOT/run/current-system\n' $out >> $out/activate
sed "s#@out@#$out#" ROOT/etc/standin/switch > $out/bin/switch-to-configuration
chmod +x $out/sw/bin/nixos-version $out/activate $out/bin/switch-to-configuration
"""


def why_not() -> str | None:
    """Return what to install when there is no Nix here."""
    return None if shutil.which("nix") else "install nix-bin: apt-get install nix-bin"


def project_files(name: str, version: str, behaviour: str = "works") -> Mapping[str, str]:
    """Return the files of a project that WORKS, crashes or does not build."""
    words = {"NAME": name, "VERSION": version, "SYSTEM": SYSTEM}
    texts = {"flake.nix": _PROJECT, "build.sh": BEHAVIOURS[behaviour]}
    for word, value in words.items():
        texts = {file: text.replace(word, value) for file, text in texts.items()}
    return texts


class NixMachine(Machine):
    """The stand-in machine with the real Nix, whose store lies in the machine's folder."""

    def _make(self) -> None:
        for folder in (self.layout.store, self.layout.profile.parent, self.root / "run", self.root / "home"):
            folder.mkdir(parents=True, exist_ok=True)
        settings = {"host": self.host, "pace": 0.0, "port": self.port}
        write(self.root / "etc/standin/settings.json", json.dumps(settings))
        launchers.install(self.layout)
        self._install_nix()
        self._make_keys()
        self._make_repositories()
        self._configure()

    def _install_nix(self) -> None:
        conf = "sandbox = false\nsubstituters =\nbuild-users-group =\nexperimental-features = nix-command flakes\n"
        write(self.root / "etc/nix/nix.conf", conf)
        environment = {
            "NIX_CONF_DIR": self.root / "etc/nix",
            "NIX_STORE_DIR": self.layout.store,
            "NIX_STATE_DIR": self.root / "nix/var/nix",
            "NIX_LOG_DIR": self.root / "nix/var/log/nix",
            "HOME": self.root / "home",
        }
        words = " ".join(f"{key}={value}" for key, value in environment.items())
        for name in ("nix", "nix-env", "nix-store"):
            write(self.layout.bin / name, f'#!/bin/sh\n{words} exec {launchers.tool(name)} "$@"\n', mode=0o755)
        link(self.layout.bin / "nixos-rebuild", _PROGRAMS / "nixos-rebuild")
        switch = launchers.program(self.layout, "switch-to-configuration", "@out@")
        write(self.root / "etc/standin/switch", switch)

    def run(self, *argv: str, cwd: Path | None = None) -> str:
        """Run a program of the machine's and return what it said."""
        environment = {
            **os.environ,
            "PATH": self.layout.search_path,
            "GIT_CONFIG_GLOBAL": "/dev/null",
            **{f"GIT_{role}_{key}": "ana" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")},
        }
        done = subprocess.run(argv, cwd=cwd, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def _make_repositories(self) -> None:
        folder = self.root / "srv/git"
        folder.mkdir(parents=True)
        projects = {name: Repository.create(folder / f"{name}.git") for name in PROJECTS}
        for name, repository in projects.items():
            repository.commit("Release 1.0", project_files(name, "1.0"))
        shared = Repository.create(folder / "platform.git")
        ports = dict.fromkeys(PROJECTS, 9)
        self._repositories = Repositories(host=self.host, platform=shared, projects=projects, ports=ports)
        self.change_platform("Welcome")
        system = self.build(shared.head())
        self.run("nix-env", "--profile", str(self.layout.profile), "--set", str(system))
        link(self.layout.boot_default, system)

    def change_platform(self, note: str) -> str:
        """Commit a platform with another note to main, all inputs as they are pinned already; return the commit."""
        repositories = self.repositories
        work = self.root / "home/platform"
        shutil.rmtree(work, ignore_errors=True)
        self.run("git", "clone", "--quiet", str(repositories.platform.path), str(work), cwd=self.root)
        inputs = [f'  inputs.{name}.url = "git+{repo.url}?ref=main";' for name, repo in repositories.projects.items()]
        words = {
            "HOST": self.host,
            "SYSTEM": SYSTEM,
            "NOTE": note,
            "INPUTS": "\n".join(inputs),
            "PINS": " ".join(f'"{name}" = inputs.{name}.rev;' for name in PROJECTS),
            "PACKAGES": " ".join(f"inputs.{name}.package" for name in PROJECTS),
        }
        text = _PLATFORM
        for word, value in words.items():
            text = text.replace(word, value)
        units = str(launchers.unit_templates()[0].parent)
        (work / "flake.nix").write_text(text)
        (work / "build.sh").write_text(_SYSTEM_BUILD.replace("UNITS", units).replace("ROOT", str(self.root)))
        self.run("git", "checkout", "--quiet", "-B", "main", cwd=work)
        self.run("git", "add", ".", cwd=work)
        self.run("nix", "flake", "lock", cwd=work)
        self.run("git", "add", ".", cwd=work)
        self.run("git", "commit", "--quiet", "--message", note, cwd=work)
        self.run("git", "push", "--quiet", "origin", "main", cwd=work)
        return repositories.platform.head()

    def build(self, commit: str) -> Path:
        """Build the system of a platform's commit with the real Nix and return its store path."""
        flake = f"git+{self.repositories.platform.url}?rev={commit}&ref=main"
        wanted = f"{flake}#nixosConfigurations.{self.host}.config.system.build.toplevel"
        out = self.root / "home/built"
        self.run("nix", "build", wanted, "--out-link", str(out), cwd=self.root)
        return Path(os.path.realpath(out))

    def _configure(self) -> None:
        super()._configure()
        said = json.loads(self.host_json.read_text())
        for project in said["projects"].values():
            # These projects serve nothing.
            project["http"] = []
        write(self.host_json, json.dumps(said, indent=2))

    def lock(self, revision: str) -> dict[str, object]:
        """Return flake.lock of a commit of the platform."""
        found: dict[str, object] = json.loads(self.repositories.platform.read("flake.lock", revision))
        return found
