"""Files that are whole or absent, and locks that end with their process."""

import errno
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from opsbot.onhost.errors import HostError

_POLL = 0.05
_LOCKS = Path("/proc/locks")
#: A row of it that excludes others: number, kind, manner, who, and the file's device and inode.
_LOCK = re.compile(
    r"^\d+: FLOCK +\w+ +WRITE +-?\d+ +(?P<major>[0-9a-f]+):(?P<minor>[0-9a-f]+):(?P<inode>[0-9]+) ",
    re.ASCII | re.MULTILINE,
)


def write_json(path: Path, value: Any) -> None:
    """Replace the file at PATH by VALUE as JSON; a crash leaves the former file or the new one."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str) -> None:
    """Replace the file at PATH by TEXT; a crash leaves the former file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # The folder may be writable for a user who is trusted less: a link that was planted there is never followed.
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # A full disk names no file, and what it has of this one is in the way of the next.
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    _sync_folder(path.parent)


def create_json(path: Path, value: Any) -> bool:
    """Write VALUE at PATH unless something is there already; return whether it was written."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    write_json(temporary, value)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    _sync_folder(path.parent)
    return True


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path: Path, *, limit: int = 4 * 1024 * 1024) -> dict[str, Any] | None:
    """Return the JSON object at PATH, None when there is none.

    The file may belong to a user who is trusted less: links, pipes and files over LIMIT bytes count as absent.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        data = file.read(limit + 1)
    try:
        value = json.loads(data) if len(data) <= limit else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@contextmanager
def locked(path: Path, *, patience: float) -> Iterator[bool]:
    """Hold the lock at PATH for the block, waiting PATIENCE seconds for it; gives False when somebody else kept it.

    HostError when something else than a plain file is there.
    """
    handle = _open_lock(path, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + patience
    try:
        while not (mine := _try(handle)) and time.monotonic() < deadline:
            time.sleep(_POLL)
        yield mine
    finally:
        os.close(handle)


def _open_lock(path: Path, flags: int) -> int:
    try:
        # Whoever can open a lock can hold it, so nobody but its owner may.
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise
        raise HostError("failed", f"{path} is no plain file.") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise HostError("failed", f"{path} is no plain file.")
    return handle


def is_locked(path: Path) -> bool:
    """Say whether a living process holds the lock at PATH; what is no plain file is no lock."""
    with suppress(OSError):
        handle = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found, device = os.fstat(handle), _device(handle)
        finally:
            os.close(handle)
        return stat.S_ISREG(found.st_mode) and lists_lock(_LOCKS.read_text(encoding="utf-8"), device, found.st_ino)
    return False


def _device(handle: int) -> int:
    """Return the device of the file system that an open file is on, as the kernel's list of locks names it.

    The file may tell another: on btrfs each subvolume has one of its own.
    """
    mount = Path(f"/proc/self/fdinfo/{handle}").read_text(encoding="utf-8").partition("mnt_id:")[2].split()[0]
    for row in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        number, _, device, *_ = row.split(" ", 3)
        if number == mount:
            return os.makedev(*map(int, device.split(":")))
    return os.fstat(handle).st_dev


def lists_lock(rows: str, device: int, inode: int) -> bool:
    """Say whether the kernel's list of locks has one that excludes others, on the file with this device and inode."""
    return any(
        row["inode"] == str(inode) and os.makedev(int(row["major"], 16), int(row["minor"], 16)) == device
        for row in _LOCK.finditer(rows)
    )


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
