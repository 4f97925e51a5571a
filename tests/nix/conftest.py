from pathlib import Path

import pytest

from tests.nix.evaluator import Evaluator, why_not


@pytest.fixture(scope="session")
def nix(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    """Nix, with a store for all tests of this folder."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    return Evaluator(tmp_path_factory.mktemp("nix"))


@pytest.fixture(scope="session")
def system(nix: Evaluator) -> Path:
    """The example host ops-jrz1, built as far as the stand-in for NixOS builds one."""
    return nix.build("outputs.nixosConfigurations.ops-jrz1.config.system.build.toplevel")
