import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

#: Seconds in which sshd must listen.
PATIENCE = 10.0
#: What a managed host tells its sshd about the bot's user.
DECLARED = Path(__file__).parents[1] / "nix/ssh/opsbot.conf"


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def keygen(path: Path, kind: str = "ed25519") -> str:
    """Make a key pair at PATH; return the public half as two words."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", path], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


@dataclass(kw_only=True)
class Sshd:
    """A real OpenSSH server on the loopback that runs one command, whatever it is asked for.

    The command finds the wish in SSH_ORIGINAL_COMMAND, as under ForceCommand everywhere.
    """

    folder: Path
    command: Sequence[str | Path]
    port: int = field(default_factory=free_port)
    #: The host's public key, as it stands in the configuration.
    host_key: str = ""
    user: str = field(default_factory=getpass.getuser)
    process: subprocess.Popen[bytes] | None = None

    @property
    def client_key(self) -> Path:
        """The file of the private key that is let in."""
        return self.folder / "client_key"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Make the keys if there are none, and listen; on the same port every time."""
        sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if sshd is None or shutil.which("ssh-keygen") is None:
            pytest.skip("install OpenSSH: apt-get install openssh-server")
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.client_key.exists():
            self.host_key = keygen(self.folder / "host_key")
            (self.folder / "authorized_keys").write_text(keygen(self.client_key) + "\n")
        if os.geteuid() == 0:
            # sshd as root wants its empty folder, which the distribution makes at boot.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        (self.folder / "sshd_config").write_text(self._config())
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sshd, "-D", "-e", "-f", self.folder / "sshd_config"], stdin=subprocess.DEVNULL, stderr=log
            )
        self._await_port()

    def _config(self) -> str:
        lines = {
            "ListenAddress": "127.0.0.1",
            "Port": self.port,
            "HostKey": self.folder / "host_key",
            "AuthorizedKeysFile": self.folder / "authorized_keys",
            "PidFile": "none",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "StrictModes": "no",
            "DisableForwarding": "yes",
            "PrintMotd": "no",
            # A bash that seems to be within another does not read its user's files first; they may take seconds.
            "SetEnv": "SHLVL=2",
            "ForceCommand": shlex.join(map(str, self.command)),
        }
        ours = "".join(f"{key} {value}\n" for key, value in lines.items())
        # What is set first counts; then come the limits of a real host.
        return ours + "".join(line for line in DECLARED.read_text().splitlines(keepends=True) if line.startswith(" "))

    def _await_port(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process is not None and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        log = (self.folder / "log").read_text(errors="replace")
        self.stop()
        raise RuntimeError(f"sshd does not listen:\n{log}")

    def sessions(self) -> list[int]:
        """Return the processes that serve a connection each."""
        if self.process is None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def stop(self) -> None:
        """End the server and every connection to it."""
        if self.process is None:
            return
        for pid in [*self.sessions(), self.process.pid]:
            for inner in descendants(pid):
                kill(inner)
        self.process.wait()
        self.process = None


def descendants(pid: int) -> list[int]:
    """Return a process and all below it, the lowest last."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(inner for child in children for inner in descendants(int(child)))]


def kill(pid: int) -> None:
    """Kill one process, if it is still there."""
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return
