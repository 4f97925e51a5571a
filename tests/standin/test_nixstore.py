import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest

from opsbot.standin.errors import NixError
from opsbot.standin.nixstore import Store, base32, differences, nar_hash, split_name
from opsbot.standin.paths import Layout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    (tmp_path / "nix/store").mkdir(parents=True)
    return Store(Layout(tmp_path))


def put(store: Store, name: str, text: str = "", *references: Path) -> Path:
    """Build a folder with a text in it."""

    def build(folder: Path) -> None:
        (folder / "text").write_text(text)

    return store.realise(store.path(name, text), build, references)


def test_hash_is_the_one_that_nix_writes_into_flake_lock(tmp_path: Path) -> None:
    """The hash of a tree is the NAR hash: this one was written by Nix 2.8."""
    (tmp_path / "flake.nix").write_text('{ outputs = _: { v = "1"; }; }\n')
    assert nar_hash(tmp_path) == "sha256-y8cS9oAFJyCJ1y8zh89Vg4UE3Wsazf28EszD0ViSkr8="


def test_hash_counts_links_folders_and_executables_as_nix_does(tmp_path: Path) -> None:
    """Links, folders and executable files are hashed as Nix hashes them."""
    if shutil.which("nix-hash") is None:
        pytest.skip("install nix-hash: apt-get install nix-bin")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/run").write_text("#!/bin/sh\n")
    (tmp_path / "bin/run").chmod(0o755)
    (tmp_path / "link").symlink_to("bin/run")
    command = ["nix-hash", "--type", "sha256", str(tmp_path)]
    expected = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert b64decode(nar_hash(tmp_path).removeprefix("sha256-")).hex() == expected


def test_base32_is_nixs_own() -> None:
    """Hashes are written with Nix's alphabet, last digit first."""
    assert base32(bytes(20)) == "0" * 32
    assert base32(bytes([1, *bytes(19)])) == "0" * 31 + "1"


def test_a_path_is_named_by_what_it_is_made_of(store: Store) -> None:
    """The same ingredients give the same path, others give another one."""
    assert store.path("a-1", "x") == store.path("a-1", "x")
    assert store.path("a-1", "x") != store.path("a-1", "y")
    assert len(store.path("a-1", "x").name) == 32 + len("-a-1")


def test_a_builder_that_fails_leaves_nothing(store: Store) -> None:
    """A path whose building failed is not in the store, and nor is what had been built of it."""

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise NixError("it broke")

    with pytest.raises(NixError):
        store.realise(store.path("a-1"), fail)
    assert list(store.layout.store.iterdir()) == []
    assert not store.valid(store.path("a-1"))


def test_closure_holds_everything_that_is_needed(store: Store) -> None:
    """A closure is the path with all that it refers to, directly or not."""
    a = put(store, "a-1", "a")
    b = put(store, "b-1", "b", a)
    c = put(store, "c-1", "c", b)
    assert set(store.closure(c)) == {a, b, c}


def test_closure_of_a_path_that_was_never_built_is_refused(store: Store) -> None:
    """What the store does not have cannot be asked about."""
    with pytest.raises(NixError, match="is not valid"):
        store.closure(store.path("a-1"))
    with pytest.raises(NixError, match="failed"):
        store.need(store.path("a-1"))


@pytest.mark.parametrize(
    ("name", "parts"),
    [("hello-bot-1.0", ("hello-bot", "1.0")), ("etc", ("etc", "")), ("linux-6.6.68", ("linux", "6.6.68"))],
)
def test_a_version_begins_at_the_first_digit_after_a_dash(name: str, parts: tuple[str, str]) -> None:
    """Names and versions are split as Nix splits them."""
    assert split_name(Path("/nix/store") / ("0" * 32 + f"-{name}")) == parts


def test_differences_are_told_in_nixs_words(store: Store) -> None:
    """Versions that went and came, and sizes that moved by 8 KiB or more; the rest is silent."""
    old = {put(store, "a-1", "x"): 100, put(store, "b-1", "x"): 100, put(store, "etc", "x"): 1}
    new = {put(store, "a-2", "x"): 9 * 1024, put(store, "c-1", "x"): 100, put(store, "etc", "y"): 2}
    assert differences(old, new) == ["a: 1 → 2, \x1b[31;1m+8.9 KiB\x1b[0m", "b: 1 → ∅", "c: ∅ → 1"]
