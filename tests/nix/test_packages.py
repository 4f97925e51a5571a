import base64
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.nix.evaluator import TOP, Evaluator, NixError

FILES = sorted([TOP / "flake.nix", *(TOP / "nix").rglob("*.nix"), *(TOP / "tests/nix").rglob("*.nix")])
_PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TOP)))
def test_every_file_is_nix(nix: Evaluator, path: Path) -> None:
    """Nix reads every file of Nix's that there is."""
    nix.parse(path)


def test_the_flake_has_what_it_should(nix: Evaluator) -> None:
    """Packages, modules, the example host, templates, the demo, checks, a shell and a formatter are its outputs."""
    names = nix.value("lib.mapAttrs (_: builtins.attrNames) outputs")
    systems = ["aarch64-linux", "x86_64-linux"]
    assert names["nixosModules"] == ["default", "host", "opsbot", "platform"]
    assert names["nixosConfigurations"] == ["ops-jrz1"]
    assert names["templates"] == ["platform", "project"]
    assert all(names[kind] == systems for kind in ("packages", "apps", "checks", "devShells", "formatter"))
    assert nix.value("builtins.attrNames outputs.packages.x86_64-linux") == ["default", "opsbot", "opsbot-host"]
    assert nix.value("outputs.apps.x86_64-linux.demo.program").endswith("/bin/opsbot-demo")


def test_nix_takes_every_output_of_the_flake(nix: Evaluator) -> None:
    """`nix flake check` finds every output of the flake to be what its name says."""
    nix.check_flake()


def test_the_flake_names_its_release(nix: Evaluator) -> None:
    """The release of nixpkgs that the flake is written for stands in it, and in the documentation."""
    address = nix.value("flake.inputs.nixpkgs.url")
    release = address.rpartition("/")[2]
    assert re.fullmatch(r"nixos-\d\d\.\d\d", release)
    assert release in (TOP / "docs/deployment.md").read_text()
    # What is copied from here is for the same.
    for template in ("project", "platform"):
        path = nix.value(f"toString outputs.templates.{template}.path")
        assert nix.value(f"(import {path}/flake.nix).inputs.nixpkgs.url") == address


def test_the_package_has_the_libraries_of_the_project(nix: Evaluator) -> None:
    """The bot's package asks for the same libraries, and has the same version, as pyproject.toml."""
    package = "outputs.packages.x86_64-linux.default"
    names = nix.value(f"map (one: one.pname or one.meta.mainProgram) {package}.dependencies")
    wanted = [Requirement(line).name for line in _PROJECT["dependencies"]]
    assert sorted(names) == sorted(wanted)
    assert nix.value(f"{package}.version") == _PROJECT["version"]
    assert nix.value("outputs.packages.x86_64-linux.opsbot-host.version") == _PROJECT["version"]


def test_a_build_of_the_bot_tries_what_it_has_built(nix: Evaluator) -> None:
    """The build starts the installed bot on the example's configuration, asked for by the name that nixpkgs goes by."""
    package = "outputs.packages.x86_64-linux.default"
    assert nix.value(f"{package}.doCheck") is True
    assert "$out/bin/opsbot check --offline" in nix.value(f"{package}.postInstallCheck")
    with pytest.raises(NixError, match="doInstallCheck"):
        nix.value('(pkgs.python3Packages.buildPythonPackage { pname = "tea"; doInstallCheck = true; }).pname')


def test_what_we_package_is_what_is_locked(nix: Evaluator) -> None:
    """A library that is packaged here has the version, and an archive with a hash, of requirements.lock."""
    dbos = nix.value('{ inherit (pkgs.python3Packages.callPackage (top + "/nix/dbos.nix") { }) version src; }')
    lock = (TOP / "requirements.lock").read_text()
    locked = re.search(r"^dbos==(\S+) \\\n((?:    --hash=sha256:\S+(?: \\)?\n)+)", lock, re.MULTILINE)
    assert locked is not None
    assert dbos["version"] == dbos["src"]["version"] == locked[1]
    kind, _, digest = dbos["src"]["hash"].partition("-")
    assert kind == "sha256"
    assert base64.b64decode(digest).hex() in re.findall(r"sha256:(\w+)", locked[2])


def test_the_helper_runs_alone(nix: Evaluator) -> None:
    """The package of the helper is a program that needs Python and nothing beside it."""
    package = nix.build("outputs.packages.x86_64-linux.opsbot-host")
    done = subprocess.run(
        [package / "bin/opsbot-host", "--version"], env={}, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == _PROJECT["version"], done.stderr
    assert sorted(
        path.name for path in (package / "lib/opsbot-host/opsbot").iterdir() if path.name != "__pycache__"
    ) == [
        "__init__.py",
        "onhost",
    ]
