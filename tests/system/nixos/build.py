"""Build a system ("toplevel") for a Debian that is switched like a NixOS: run by Nix, inside its sandbox."""

import hashlib
import json
import os
import shutil
from pathlib import Path

#: What the derivation says, by its names.
NIX = dict(os.environ)
OUT, SOURCE = Path(NIX["out"]), Path(NIX["source"])
PACKAGES: dict[str, str] = json.loads(NIX["packages"])
SETTINGS = json.loads((SOURCE / "settings.json").read_text())
#: Debian's own programs, as the system path of a NixOS would have them.
PROGRAMS = ("git", "ssh", "nix", "nix-env", "nix-store", "systemctl", "systemd-run", "journalctl")
SYSTEMD = Path("/usr/lib/systemd/system")


def filled(text: str) -> str:
    """Put the packages' paths in place of their names."""
    for name, path in PACKAGES.items():
        text = text.replace(f"@{name}@", path)
    return text


def write(path: Path, text: str, *, program: bool = False) -> None:
    """Write one file of the system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if program:
        path.chmod(0o755)


def etc() -> None:
    """Write what becomes /etc: the platform's files, and units of Debian's that it changes."""
    for path in sorted((SOURCE / "etc").rglob("*")):
        name = str(path.relative_to(SOURCE / "etc"))
        if path.is_file() and name not in SETTINGS["without"]:
            write(OUT / "etc" / name, filled(path.read_text()))
    units = OUT / "etc/systemd/system"
    for name, more in SETTINGS["adapted"].items():
        write(units / name, (SYSTEMD / name).read_text() + more)
    for target, names in SETTINGS["wants"].items():
        (units / f"{target}.wants").mkdir(parents=True)
        for name in names:
            own = units / name
            (units / f"{target}.wants" / name).symlink_to(f"../{name}" if own.exists() else SYSTEMD / name)
    for name, file in SETTINGS["triggers"].items():
        if (units / name).exists():
            digest = hashlib.sha256((OUT / "etc" / file).read_bytes()).hexdigest()
            write(units / name, (units / name).read_text() + f"\n[Unit]\nX-Restart-Triggers={digest}\n")
    write(OUT / "etc/opsbot/pins.json", NIX["pins"])


def programs() -> None:
    """Fill the system path."""
    folder = OUT / "sw/bin"
    folder.mkdir(parents=True)
    for name in PROGRAMS:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    for name in ("opsbot", "opsbot-host"):
        (folder / name).symlink_to(f"{PACKAGES['opsbot']}/bin/{name}")
    shutil.copy(SOURCE / "nixos/nixos-rebuild", folder / "nixos-rebuild")
    (folder / "nixos-rebuild").chmod(0o755)
    said = json.dumps({"configurationRevision": NIX["configurationRevision"], "nixosVersion": "25.05"})
    write(folder / "nixos-version", f"#!/bin/sh\necho '{said}'\n", program=True)


def scripts() -> None:
    """Write what is run of it."""
    python = "exec /usr/bin/python3 -P -S"
    write(OUT / "activate", f"#!/bin/sh\n{python} {SOURCE}/nixos/activate.py {OUT}\n", program=True)
    switch = f'#!/bin/sh\nPYTHONPATH={SOURCE}/nixos {python} -m systemd_switch {OUT} "$@"\n'
    write(OUT / "bin/switch-to-configuration", switch, program=True)


def main() -> None:
    """Write the system."""
    etc()
    programs()
    scripts()
    texts = {"nixos-version": "25.05", "kernel-params": "loglevel=4", "init": ""}
    for name, text in texts.items():
        write(OUT / name, text)
    for name in ("kernel", "initrd"):
        (OUT / name).symlink_to(NIX["kernel"])
    write(OUT / "init-interface-version", SETTINGS["init"])


if __name__ == "__main__":
    main()
