"""Generations of a Nix profile, numbered the way `nix-env` numbers them."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from opsbot.standin.errors import NixError
from opsbot.standin.paths import link


@dataclass(frozen=True)
class Profile:
    """A profile: PATH is a link to PATH-N-link, which is a link to what generation N holds."""

    path: Path

    def _link(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}-{number}-link")

    def numbers(self) -> list[int]:
        """Return the generations there are, lowest first."""
        pattern = re.compile(re.escape(self.path.name) + r"-(\d+)-link")
        found = (pattern.fullmatch(one.name) for one in self.path.parent.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def current(self) -> int:
        """Return the number of the current generation, 0 if there is none."""
        try:
            return int(self.path.readlink().name.split("-")[-2])
        except FileNotFoundError:
            return 0

    def add(self, target: Path, number: int | None = None, *, days_ago: float = 0.0) -> int:
        """Make TARGET the current generation, as `--set` does; the highest one is used again if it holds it.

        A history can be made with a NUMBER and an age.
        """
        numbers = self.numbers()
        if numbers and number is None and self._link(numbers[-1]).readlink() == target:
            number = numbers[-1]
        else:
            number = number or (numbers[-1] + 1 if numbers else 1)
            link(self._link(number), target)
            made = time.time() - days_ago * 86400
            os.utime(self._link(number), (made, made), follow_symlinks=False)
        link(self.path, self._link(number).name)
        return number

    def switch(self, number: int) -> str:
        """Make generation NUMBER current and return what Nix says. Raises NixError if there is none."""
        if number not in self.numbers():
            raise NixError(f"profile version {number} does not exist")
        said = f"switching profile from version {self.current()} to {number}"
        link(self.path, self._link(number).name)
        return said

    def rollback(self) -> str:
        """Make the next lower number current. Raises NixError if there is none."""
        lower = [number for number in self.numbers() if number < self.current()]
        if not lower:
            raise NixError(f"no profile version older than the current ({self.current()}) exists")
        return self.switch(lower[-1])

    def listing(self) -> list[str]:
        """Return the lines of `nix-env --list-generations`."""
        current = self.current()
        lines = []
        for number in self.numbers():
            made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self._link(number).lstat().st_mtime))
            lines.append(f"{number:>4}   {made}   {'(current)' if number == current else ''}")
        return lines
