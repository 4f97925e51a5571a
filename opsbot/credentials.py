"""The secrets: files of one folder, each with a name, that nobody else may read."""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from opsbot.errors import ConfigError
from opsbot.masks import Masks

#: More than any token or key needs; a wrong file is not read into memory.
LARGEST = 64 * 1024


def unheard(secret: str) -> None:
    """Tell nobody."""
    del secret


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A folder of secrets; without one, every secret is missing. ON_SECRET is told each that is read."""

    folder: Path | None
    on_secret: Callable[[str], None] = field(default=unheard, repr=False)

    @classmethod
    def of(
        cls, environ: Mapping[str, str], fallback: str | None = None, *, on_secret: Callable[[str], None] = unheard
    ) -> Self:
        """Take the folder that systemd gives, else FALLBACK, the one of the configuration."""
        folder = environ.get("CREDENTIALS_DIRECTORY") or fallback
        return cls(folder=Path(folder) if folder else None, on_secret=on_secret)

    def read(self, name: str) -> str:
        """Return the secret in the file NAME without its last line break.

        Raises ConfigError when it is missing, empty, or open to others.
        """
        path = self._place(name)
        try:
            with path.open("rb") as file:
                problem = _too_open(os.fstat(file.fileno()))
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
        if problem:
            raise ConfigError(f"{path} {problem}")
        secret = _text(path, data)
        self.on_secret(secret)
        return secret

    def hiding(self, names: Iterable[str]) -> tuple[Self, Masks]:
        """Return these credentials with masks that know the secrets of NAMES, and each that is told of from now on.

        Raises ConfigError as `read` does.
        """
        masks = Masks()

        def learn(secret: str) -> None:
            self.on_secret(secret)
            masks.learn(secret)

        hiding = replace(self, on_secret=learn)
        for name in names:
            hiding.read(name)
        return hiding, masks

    def path(self, name: str) -> Path:
        """Return where the secret NAME is, for those who read it themselves. Raises ConfigError as `read` does."""
        self.read(name)
        return self._place(name)

    def _place(self, name: str) -> Path:
        if "/" in name or "\0" in name or name in {"", ".", ".."}:
            raise ConfigError("A credential is named by its file, without a folder.")
        if self.folder is None:
            raise ConfigError(
                f"There is no folder for {name}: start the bot with LoadCredential={name}:…, or set `credentials`."
            )
        return self.folder / name


def _too_open(status: os.stat_result) -> str | None:
    if not stat.S_ISREG(status.st_mode):
        return "is not a file."
    if status.st_mode & 0o007:
        return "may be read by everybody: chmod 0400."
    # systemd and sops-nix give root's file to the service's group; anyone else's group is open to others.
    allowed = 0o040 if status.st_uid == 0 else 0
    if status.st_mode & 0o070 & ~allowed:
        return "may be read by others of its group: chmod 0400."
    return None


def _text(path: Path, data: bytes) -> str:
    if len(data) > LARGEST:
        raise ConfigError(f"{path} is too long for a secret.")
    try:
        text = data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text.") from None
    if not text.strip():
        raise ConfigError(f"{path} is empty.")
    return text
