"""`activate` of a system for a Debian that is switched like a NixOS: users, then /etc, then the running system."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SYSTEM, ETC, STATIC = Path(sys.argv[1]), Path("/etc"), Path("/etc/static")
#: A name, its shell and its groups, as nix/host.nix has them.
USERS = {
    "opsbot": ("/bin/sh", "opsbot-state,systemd-journal"),
    "opsbot-prepare": ("/usr/sbin/nologin", "opsbot-state"),
    "opsbot-publish": ("/usr/sbin/nologin", "opsbot-state"),
    "git": ("/usr/bin/git-shell", ""),
    "matrix": ("/usr/sbin/nologin", ""),
}
#: Folders of /etc that are one link; all others are folders with a link for each file.
WHOLE = ("systemd/system",)


def users() -> None:
    """Make the users that are not there yet."""
    known = Path("/etc/passwd").read_text().splitlines()
    if not any(line.startswith("opsbot:") for line in known):
        subprocess.run(["groupadd", "--system", "opsbot-state"], check=True)
    for name, (shell, groups) in USERS.items():
        if not any(line.startswith(f"{name}:") for line in known):
            argv = ["useradd", "--system", "--user-group", "--shell", shell, "--groups", groups, name]
            subprocess.run(argv, check=True)


def link(path: Path, target: str) -> None:
    """Make a link in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)


def etc() -> None:
    """Let /etc lead to this system's files, and take away what only the former one had."""
    link(STATIC, str(SYSTEM / "etc"))
    for name in WHOLE:
        link(ETC / name, str(STATIC / name))
    for path in sorted((SYSTEM / "etc").rglob("*")):
        name = str(path.relative_to(SYSTEM / "etc"))
        if not path.is_dir() and not any(name.startswith(f"{whole}/") for whole in WHOLE):
            link(ETC / name, str(STATIC / name))
    for path in ETC.rglob("*"):
        if path.is_symlink() and str(path.readlink()).startswith(f"{STATIC}/") and not path.exists():
            path.unlink()


def main() -> None:
    """Bring the configuration into force, short of the services."""
    users()
    etc()
    link(Path("/run/current-system"), str(SYSTEM))
    subprocess.run(["systemd-tmpfiles", "--create", "nix-daemon.conf", "opsbot.conf"], check=True)


if __name__ == "__main__":
    os.umask(0o022)
    main()
