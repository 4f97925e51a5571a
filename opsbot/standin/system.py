"""Builds a whole system ("toplevel") out of a platform's tree and its lock."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from opsbot.standin import flake, launchers
from opsbot.standin.build import Builder, BuildError
from opsbot.standin.errors import NixError
from opsbot.standin.paths import link
from opsbot.standin.sources import Platform, Project, Service, check_syntax, read_platform

_TARGET = "multi-user.target.wants"


@dataclass(frozen=True)
class SystemBuilder:
    """Builds systems for one machine."""

    builder: Builder

    def build(self, source: Path, revision: str, host: str) -> Path:
        """Build the system of HOST from a platform's tree; REVISION is the commit that it will name.

        Raises NixError when it cannot be evaluated, BuildError when a derivation fails.
        """
        check_syntax(source)
        text, lock = (source / "flake.nix").read_text(), flake.read_lock(source)
        if unknown := flake.missing(text, lock):
            raise NixError(
                f"input '{unknown[0]}' is not in the lock file and lock file changes are not allowed "
                "due to '--no-update-lock-file'"
            )
        platform = read_platform(source)
        if platform.host != host:
            raise NixError(f"flake does not provide attribute 'nixosConfigurations.\"{host}\"'")
        platform = replace(platform, projects={**self._settings(text), **platform.projects})
        sources = {name: self._source(lock, name) for name in platform.projects}
        name = f"nixos-system-{host}-{platform.version}"
        try:
            pins = {name: flake.locked_ref(lock, name).rev for name in sources}
            etc = {**platform.etc, "opsbot/pins.json": json.dumps(pins, sort_keys=True)}
            return self._toplevel(name, replace(platform, etc=etc), revision, sources)
        except BuildError as error:
            self.builder.log(f"error: {error}")
            derivation = self.builder.store.path(f"{name}.drv", revision)
            raise NixError(f"1 dependencies of derivation '{derivation}' failed to build") from error

    def _settings(self, text: str) -> dict[str, Mapping[str, str]]:
        """Return what each module that a flake.nix takes gives its service, where platform.json says nothing else."""
        layout = self.builder.store.layout
        homeserver = str(layout.settings.get("homeserver", "http://127.0.0.1:6167"))
        return {
            name: {"homeserver": homeserver, "credentials_directory": str(layout.secrets / name)}
            for name in flake.modules(text)
        }

    def _source(self, lock: flake.Lock, name: str) -> Path:
        try:
            return flake.tree(self.builder.store, flake.locked_ref(lock, name))
        except KeyError as error:
            raise NixError(f"attribute '{name}' missing") from error

    def _toplevel(self, name: str, platform: Platform, revision: str, sources: Mapping[str, Path]) -> Path:
        units = [self._service(service) for service in platform.services]
        units += [self._project(platform, project, source) for project, source in sources.items()]
        kernel = self.builder.text(f"linux-{platform.kernel}", "bzImage", f"Linux {platform.kernel}\n")
        initrd = self.builder.text(f"initrd-linux-{platform.kernel}", "initrd", f"initrd {platform.kernel}\n", [kernel])
        programs = self._programs(platform, revision)
        etc = self._etc(platform, units)
        needed = [kernel, initrd, programs, etc]
        more = [platform.init, json.dumps(platform.inhibitors, sort_keys=True)]
        path = self.builder.store.path(name, *more, *map(str, needed))

        def build(folder: Path) -> None:
            (folder / "nixos-version").write_text(platform.version)
            (folder / "kernel-params").write_text("loglevel=4")
            (folder / "init-interface-version").write_text(platform.init)
            (folder / "switch-inhibitors").write_text(json.dumps(platform.inhibitors, sort_keys=True))
            link(folder / "kernel", kernel / "bzImage")
            link(folder / "initrd", initrd / "initrd")
            link(folder / "etc", etc / "etc")
            link(folder / "sw", programs)
            self._scripts(folder, path, etc)

        return self.builder.make(name, more, build, needed)

    def _scripts(self, folder: Path, path: Path, etc: Path) -> None:
        layout = self.builder.store.layout
        root = layout.root
        activate = [
            "#!/bin/sh",
            "# What brings the configuration into force, short of the services.",
            "set -e",
            "PATH=/usr/bin:/bin",
            'echo "setting up /etc..."',
            f"mkdir -p {shlex.quote(str(root / 'etc'))} {shlex.quote(str(root / 'run'))}",
            shlex.join(["ln", "-sfn", f"{etc}/etc", str(root / "etc/static")]),
            shlex.join(["ln", "-sfn", "static/systemd", str(root / "etc/systemd")]),
            shlex.join(["ln", "-sfn", str(path), str(layout.running)]),
        ]
        switch = launchers.program(layout, "switch-to-configuration", str(path))
        init = f"#!/bin/sh\nexec {shlex.quote(str(path))}/activate\n"
        texts = {"activate": "\n".join(activate) + "\n", "init": init, "bin/switch-to-configuration": switch}
        for name, text in texts.items():
            file = folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            file.chmod(0o755)

    def _programs(self, platform: Platform, revision: str) -> Path:
        layout = self.builder.store.layout
        version = next((one.version for one in platform.services if one.name == "opsbot"), "0")
        helper = self.builder.text(f"opsbot-{version}", "bin/opsbot-host", launchers.opsbot_host(), mode=0o755)
        facts = json.dumps({"configurationRevision": revision, "nixosVersion": platform.version})
        answer = (
            '#!/bin/sh\ncase "$1" in\n'
            f"  --json) echo {shlex.quote(facts)} ;;\n"
            f"  --configuration-revision) echo {revision} ;;\n"
            f"  *) echo {shlex.quote(platform.version + ' (Uakari)')} ;;\nesac\n"
        )

        def build(folder: Path) -> None:
            programs = folder / "bin"
            programs.mkdir()
            for name in (*launchers.PROGRAMS, "git"):
                (programs / name).symlink_to(layout.bin / name)
            (programs / "opsbot-host").symlink_to(helper / "bin/opsbot-host")
            (programs / "nixos-version").write_text(answer)
            (programs / "nixos-version").chmod(0o755)

        return self.builder.make("system-path", [answer], build, [helper])

    def _etc(self, platform: Platform, units: list[Path]) -> Path:
        templates = [
            self.builder.text(f"unit-{path.name}", path.name, path.read_text()) for path in launchers.unit_templates()
        ]

        def build_units(folder: Path) -> None:
            wants = folder / _TARGET
            wants.mkdir()
            for unit in [*units, *templates]:
                file = next(unit.iterdir())
                (folder / file.name).symlink_to(file)
                if unit in units:
                    (wants / file.name).symlink_to(Path("..") / file.name)

        system_units = self.builder.make("system-units", [], build_units, [*units, *templates])
        files = {"hostname": f"{platform.host}\n", "NIXOS": "", **platform.etc}

        def build(folder: Path) -> None:
            link(folder / "etc/systemd/system", system_units)
            for name, text in files.items():
                file = folder / "etc" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)

        return self.builder.make("etc", [json.dumps(files)], build, [system_units])

    def _service(self, service: Service) -> Path:
        name = service.name
        lines = [f"echo {shlex.quote(f'{name} {service.version} starting')}"]
        if service.exits is None:
            lines += ["echo ready", f"exec {shlex.quote(launchers.tool('sleep'))} 2147483647"]
        else:
            lines += ["echo 'level=fatal msg=\"the configuration is not complete\"'", f"exit {service.exits}"]
        script = "#!/bin/sh\n" + "\n".join(lines) + "\n"
        program = service.program or name
        package = self.builder.text(f"{name}-{service.version}", f"bin/{program}", script, mode=0o755)
        return self._unit(name, service.description, package / f"bin/{program}", {}, "Type=simple")

    def _project(self, platform: Platform, name: str, source: Path) -> Path:
        project, package = self.builder.project(source, name)
        environment = {key.upper(): str(value) for key, value in platform.projects[name].items()}
        program = package / f"bin/{project.name}"
        return self._unit(project.name, project.description, program, environment, *_ways(project))

    def _unit(self, name: str, description: str, program: Path, environment: Mapping[str, str], *more: str) -> Path:
        lines = ["[Unit]", "After=network-online.target", f"Description={description}", "", "[Service]"]
        lines += [f'Environment="{key}={value}"' for key, value in sorted(environment.items())]
        lines += ["DynamicUser=true", f"ExecStart={shlex.quote(str(program))}", *more]
        text = "\n".join(lines) + "\n"
        return self.builder.text(f"unit-{name}.service", f"{name}.service", text, [program.parents[1]])


def _ways(project: Project) -> tuple[str, ...]:
    return (f"Restart={project.restart}", f"RestartSec={project.restart_seconds * 1000:.0f}ms", f"Type={project.type}")
