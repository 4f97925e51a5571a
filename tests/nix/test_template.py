"""The project template as Nix sees it: a package, a flake, a module on the platform."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from opsbot.new import write_project
from tests.nix.evaluator import TOP, Evaluator, NixError
from tests.nix.whole import system_with

TEMPLATE = TOP / "nix/templates/project"


@pytest.fixture
def tea(tmp_path: Path) -> Path:
    """A project made from the template."""
    return write_project("tea-time", tmp_path)


def with_tea(tea: Path, *more: str) -> str:
    """Return the configuration of a platform that has taken the project by its two lines."""
    flake = f"(import {tea}/flake.nix).outputs {{ inherit nixpkgs; self = {{ }}; }}"
    return system_with(f"({flake}).nixosModules.default", *more)


def test_the_flake_has_the_template(nix: Evaluator) -> None:
    """`nix flake init --template …#project` writes the folder from which `opsbot new project` writes, too."""
    assert Path(nix.value("toString outputs.templates.project.path")) == TEMPLATE
    assert nix.value("outputs.templates.project.description").endswith("its test.")


def test_its_package_is_what_its_pyproject_says(nix: Evaluator, tea: Path) -> None:
    """Name, version and description of the package stand in pyproject.toml alone, and its build runs its tests."""
    package = f"pkgs.callPackage {tea} {{ python3Packages = {{ hatchling = 1; buildPythonApplication = x: x; }}; }}"
    built = nix.value(f'removeAttrs ({package}) [ "src" ]')
    assert (built["pname"], built["version"]) == ("tea-time", "0.1.0")
    assert built["meta"] == {"description": "Answers !hello in Matrix", "mainProgram": "tea-time"}
    assert "python -m unittest discover --verbose src" in built["checkPhase"]


def test_its_flake_offers_what_the_platform_takes(nix: Evaluator, tea: Path) -> None:
    """Its flake has a package for each kind of machine, the same as checks, and the module."""
    flake = (
        f"(import {tea}/flake.nix).outputs {{ self = self; nixpkgs = {{ inherit lib; legacyPackages = machines; }}; }}"
    )
    machines = (
        'machines = lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (name: { callPackage = file: _: "${name}"; })'
    )
    whole = f"let {machines}; self = {flake}; in self"
    assert nix.value(f"({whole}).packages") == nix.value(f"({whole}).checks")
    assert nix.value(f"({whole}).packages.aarch64-linux.default") == "aarch64-linux"
    assert nix.value(f"builtins.isFunction ({whole}).nixosModules.default")


def test_its_unit_has_its_token_and_its_homeserver(nix: Evaluator, tea: Path) -> None:
    """The unit of a project finds its token as a credential, and is restarted when the secret is another."""
    system = nix.build(f"{with_tea(tea)}.system.build.toplevel")
    unit = (system / "etc/systemd/system/tea-time.service").read_text()
    assert "LoadCredential=token:/run/secrets/tea-time-token\n" in unit
    assert re.search(r'^Environment="?HOMESERVER=http://127.0.0.1:6167"?$', unit, re.MULTILINE)
    assert re.search(r"^ExecStart=\S+/bin/tea-time$", unit, re.MULTILINE)
    assert nix.value(f"{with_tea(tea)}.sops.secrets.tea-time-token.restartUnits") == ["tea-time.service"]


def test_its_module_needs_no_opsbot(nix: Evaluator, tea: Path) -> None:
    """A machine without opsbot and sops takes the module, too: then it is a service and nothing else."""
    alone = f"(nixosSystem {{ modules = [ (import {tea}/module.nix {{ }}) ]; }}).config.systemd.services.tea-time"
    assert nix.value(f"{alone}.environment") == {"HOMESERVER": "http://127.0.0.1:6167"}


def test_its_unit_is_locked_in(nix: Evaluator, tea: Path) -> None:
    """The unit is taken by systemd as it is, and there is little that it could do."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("install systemd: apt-get install systemd")
    system = nix.build(f"{with_tea(tea)}.system.build.toplevel")
    unit = (system / "etc/systemd/system/tea-time.service").resolve()
    copy = tea.parent / "tea-time.service"
    copy.write_text(re.sub(r"^ExecStart=.*$", "ExecStart=/bin/true", unit.read_text(), flags=re.MULTILINE))
    argv = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(copy)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    exposure = re.search(r"Overall exposure level for tea-time.service: ([\d.]+)", done.stdout)
    assert exposure is not None, done.stdout + done.stderr
    assert float(exposure[1]) < 2.0, done.stdout
    verified = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert not [line for line in verified.stderr.splitlines() if "tea-time.service:" in line], verified.stderr


def test_a_token_in_the_store_is_refused(nix: Evaluator, tea: Path) -> None:
    """A token that everybody could read in the store ends the build with a sentence."""
    leaky = '{ services.tea-time.tokenFile = "${builtins.storeDir}/secret"; }'
    with pytest.raises(NixError, match="is in the Nix store, where everybody can read it: name a secret"):
        nix.build(f"{with_tea(tea, leaky)}.system.build.toplevel")
