"""The Debian that the system tier boots: made once, kept in a cache by what went into it."""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SUITE = "trixie"
PACKAGES = (
    "systemd-sysv", "dbus", "openssh-server", "polkitd", "libpam-systemd", "python3", "python3-venv", "iproute2",
    "nftables", "git", "procps", "ca-certificates", "nix-bin", "nix-setup-systemd", "libdbi-perl",
)  # fmt: skip
#: What the machine that runs the tests must have, and the package that brings it.
TOOLS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "git": "git",
    "ssh-keygen": "openssh-client",
}
#: A build sees Debian's own programs; nothing is fetched from anywhere.
NIX_CONF = """experimental-features = nix-command flakes
substituters =
flake-registry =
sandbox = true
sandbox-paths = /bin /usr /lib /lib64
max-jobs = 2
"""
#: What the boot loader and the second stage of NixOS's boot do: the default system is activated, then systemd begins.
BOOT = """#!/bin/sh
if [ -e /boot/loader/default ]; then
  system=$(readlink -f /boot/loader/default)
  ln -sfn "$system" /run/booted-system
  "$system/activate"
fi
exec /lib/systemd/systemd
"""
#: Where the wheels lie while they are installed, as seen from inside.
_WHEELS = "/wheels"
#: Where the libraries of the bot and of Synapse are.
VENV = "/opt/opsbot"
#: Seconds after which a layer that nobody has used is thrown away.
_KEPT = 7 * 86400
_TOP = Path(__file__).parents[2]
_LOCK = _TOP / "requirements.lock"


def why_not() -> str | None:
    """Return why the system tier cannot run here, and what to do about it."""
    if os.geteuid() != 0:
        return "boot a Debian as root: sudo make test-system"
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool, path=_search_path()) is None]
    return f"install what boots a Debian: apt-get install {' '.join(missing)}" if missing else None


def _search_path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def cache() -> Path:
    """Return the folder in which the layers are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "opsbot/system"


def _key(*parts: str | bytes) -> str:
    data = b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hashlib.sha256(data).hexdigest()[:16]


def layers() -> list[Path]:
    """Return the layers of the image, lowest last; those that are missing are made."""
    system = _layer("debian", _key(SUITE, *PACKAGES, NIX_CONF, BOOT), _debootstrap)
    key = _key(system.name, _LOCK.read_bytes())
    libraries = _layer("python", key, lambda folder: _install(folder, system))
    return [libraries, system]


def _layer(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    place = cache() / f"{kind}-{key}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not place.exists():
            fresh = Path(tempfile.mkdtemp(prefix=f"{kind}-", suffix=".unfinished", dir=cache()))
            make(fresh)
            fresh.chmod(0o755)
            fresh.rename(place)
        os.utime(place)
        for old in cache().glob(f"{kind}-*"):
            if time.time() - old.stat().st_mtime > _KEPT:
                shutil.rmtree(old)
    return place


def _say(words: str) -> None:
    sys.stderr.write(f"system tier: {words}\n")


def _run(*argv: str | Path, cwd: Path | None = None) -> None:
    environment = {"PATH": _search_path(), "LC_ALL": "C.UTF-8"}
    kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "HOME"))}
    done = subprocess.run(argv, cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed:\n{(done.stdout + done.stderr)[-4000:]}")


def _debootstrap(folder: Path) -> None:
    _say("making a Debian with debootstrap; this takes a minute or two, and is kept")
    _run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, folder)
    shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)
    (folder / "etc/nix/nix.conf").write_text(NIX_CONF)
    (folder / "etc/NIXOS").touch()
    for name in ("hostname", "resolv.conf"):
        (folder / "etc" / name).write_text("ops-jrz1\n" if name == "hostname" else "")
    init = folder / "boot/init"
    init.write_text(BOOT)
    init.chmod(0o755)


def _install(folder: Path, system: Path) -> None:
    _say("installing the bot's libraries and Synapse into it; this takes a minute, and is kept")
    with tempfile.TemporaryDirectory(dir=cache()) as there, overlay(Path(there), [system], folder) as root:
        wheels = root / _WHEELS[1:]
        wheels.mkdir()
        shutil.copy(_LOCK, wheels / "lock")
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
        pinned = ("--no-deps", "--require-hashes")
        target = ("--python-version=3.13", "--implementation=cp", "--only-binary=:all:")
        _run(*pip, *pinned, *target, "--dest", wheels, "--requirement", _LOCK)
        inside = ("chroot", root, "env", "-u", "PIP_FIND_LINKS", "PIP_NO_CACHE_DIR=1")
        _run(*inside, "python3", "-m", "venv", VENV)
        local = ("--no-index", f"--find-links={_WHEELS}", "--quiet", "--no-compile")
        _run(*inside, f"{VENV}/bin/pip", "install", *local, *pinned, "--requirement", f"{_WHEELS}/lock")
        _run(*inside, f"{VENV}/bin/python", "-m", "compileall", "-q", "-j2", f"{VENV}/lib")
        shutil.rmtree(wheels)


@contextmanager
def overlay(place: Path, lower: list[Path], upper: Path) -> Iterator[Path]:
    """Mount LOWER (highest first) below PLACE with UPPER on top, which takes what is written."""
    root, work = place / "root", upper.with_name(f"{upper.name}.work")
    for folder in (root, work, upper):
        folder.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(map(str, lower))},upperdir={upper},workdir={work}"
    _run("mount", "-t", "overlay", "overlay", "-o", options, root)
    try:
        yield root
    finally:
        _run("umount", root)
        shutil.rmtree(work, ignore_errors=True)


def main() -> int:
    """Make the image, or say why it cannot be made."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    if (why := why_not()) is not None:
        _say(why)
        return 1
    for layer in layers():
        _say(f"uses {layer}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
