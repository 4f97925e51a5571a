from collections.abc import Mapping
from pathlib import Path

import pytest

from opsbot.onhost import trees

A, B = "a" * 32, "b" * 32


class Store:
    """A store in a folder, for systems that a test writes down."""

    def __init__(self, top: Path) -> None:
        self.top = top

    def add(self, name: str, text: str) -> str:
        """Add a file that is a store path of its own."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def system(self, mark: str, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Path:
        """Add a system with files, and links to elsewhere."""
        top = self.top / f"{mark}-nixos-system-h-1"
        for name, text in {"nixos-version": "1", "kernel-params": "quiet", **files}.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        for name, target in (links or {}).items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).symlink_to(target)
        return top


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "nix/store")


def test_another_hash_of_the_same_package_is_no_change(store: Store) -> None:
    """A file that names another build of the same package has not changed by that."""
    old = store.system(A, {"etc/profile": f"PATH={store.top}/{A}-system-path/bin"})
    new = store.system(B, {"etc/profile": f"PATH={store.top}/{B}-system-path/bin"})
    assert trees.changed_files(old, new) == []


def test_a_changed_file_is_named(store: Store) -> None:
    """Files that differ, are new or are gone are named by their place."""
    old = store.system(A, {"etc/sudoers": "root ALL", "etc/gone": "x", "etc/same": "y"})
    new = store.system(B, {"etc/sudoers": "all ALL", "etc/new": "x", "etc/same": "y"})
    assert trees.changed_files(old, new) == ["etc/gone", "etc/new", "etc/sudoers"]


def test_what_a_script_reads_counts_when_it_is_a_file_of_the_store(store: Store) -> None:
    """An activation script that names another list of users has changed, though only a hash of it has."""
    users = [store.add(f"{mark}-users-groups.json", text) for mark, text in ((A, "[]"), (B, '["root2"]'))]
    old = store.system(A, {"activate": f"perl update-users {users[0]}"})
    new = store.system(B, {"activate": f"perl update-users {users[1]}"})
    assert trees.changed_files(old, new) == ["activate"]
    same = store.add(f"{'c' * 32}-users-groups.json", "[]")
    assert trees.changed_files(old, store.system("d" * 32, {"activate": f"perl update-users {same}"})) == []


def test_programs_are_compared_by_name_and_by_what_they_lead_to(store: Store) -> None:
    """A program that is new, gone or replaced by another package's is named; a mere rebuild is not."""
    at = f"{store.top}/{{}}-{{}}/bin/x"
    old = store.system(A, {}, {"sw/bin/a": at.format(A, "a-1"), "sw/bin/opsbot-host": at.format(A, "opsbot-1")})
    new = store.system(B, {}, {"sw/bin/a": at.format(B, "a-1"), "sw/bin/opsbot-host": at.format(B, "mine-1")})
    assert trees.changed_files(old, new) == ["sw/bin/opsbot-host"]
    more = store.system("c" * 32, {}, {"sw/bin/a": at.format(A, "a-1"), "sw/bin/sudo": at.format(A, "s-1")})
    assert trees.changed_files(old, more) == ["sw/bin/opsbot-host", "sw/bin/sudo"]


def test_linked_folders_are_gone_into(store: Store) -> None:
    """Below etc, links to folders of the store are followed, and links that lead out of it are texts."""
    for mark, text in ((A, "one"), (B, "two")):
        store.add(f"{mark}-nginx-conf/nginx.conf", text)
    links = [{"etc/nginx": str(store.top / f"{mark}-nginx-conf"), "etc/zoneinfo": f"/etc/{mark[0]}"} for mark in (A, B)]
    old, new = (store.system(mark, {}, link) for mark, link in zip((A, B), links, strict=True))
    assert trees.changed_files(old, new) == ["etc/nginx/nginx.conf", "etc/zoneinfo"]


def test_links_in_a_circle_end(store: Store) -> None:
    """A folder that contains itself is read once."""
    old = store.system(A, {"etc/a/file": "x"}, {})
    (old / "etc/a/again").symlink_to(old / "etc")
    assert trees.changed_files(old, old) == []


def test_a_drop_in_for_units_that_the_system_does_not_have_itself_is_a_file_that_changed(store: Store) -> None:
    """Drop-ins for a whole kind of unit, a family or an instance are named; those of one unit belong to that unit."""
    folder = trees.UNITS
    old = store.system(A, {f"{folder}/x.service": "[Service]\n", f"{folder}/x.service.d/a.conf": "1"})
    whole = {f"{folder}/{name}.d/a.conf": "[Service]\nUser=root\n" for name in ("service", "x-.service", "y@1.service")}
    ours = {
        f"{folder}/x.service": "[Service]\n",
        f"{folder}/x.service.d/a.conf": "2",
        f"{folder}/a.wants/x.service": "",
    }
    new = store.system(B, {**ours, **whole})
    assert trees.changed_files(old, new) == sorted(whole)


def test_the_pins_file_is_no_change_of_its_own(store: Store) -> None:
    """The file with the pins changes with every deploy, and is not counted."""
    old = store.system(A, {"etc/opsbot/pins.json": "{}"})
    new = store.system(B, {"etc/opsbot/pins.json": '{"a": "b"}'})
    assert trees.changed_files(old, new) == []


@pytest.mark.parametrize("name", ["kernel", "initrd", "kernel-params"])
def test_another_kernel_needs_a_reboot(store: Store, name: str) -> None:
    """Another kernel, another first file system or other parameters need a reboot."""
    old, new = store.system(A, {name: "1"}), store.system(B, {name: "2"})
    assert trees.kernel_changed(old, new)
    assert not trees.kernel_changed(old, store.system("c" * 32, {name: "1"}))
