"""What happens to a living host that nobody asked the bot for."""

import asyncio

from opsbot.errors import HostError
from opsbot.testing.facts import commit_of, system_of
from opsbot.testing.living import LivingHost

#: Seconds that a host takes to come up.
_BOOT = 5.0


def power_cut(host: LivingHost) -> None:
    """Let a host lose its power: whatever runs on it ends, and it comes up with its default after a while."""
    for job, part in list(host.units):
        host.kill(job, part)
    for job in list(host.deadmen):
        host.disarm(job)
    host.boots += 1
    if host.holder and host.status(host.holder, "activate") == "rebooted":
        host.holder = ""
    host.run_now(next(one for one in host.generations if one["current"]))
    cut(host, _BOOT)


def cut(host: LivingHost, seconds: float, *, silent: bool = False) -> None:
    """Cut the wire to a host for some SECONDS; a SILENT cut swallows what is asked."""
    loop = asyncio.get_running_loop()
    host.silent, host.away = silent, True
    host.cuts += 1

    def mend() -> None:
        host.cuts -= 1
        host.away = host.cuts > 0

    loop.call_later(seconds, mend)


def by_hand(host: LivingHost, words: str) -> bool:
    """Let a person at the console switch to a system of their own; False while somebody else switches."""
    if host.switching or any(parts.get("activate", {}).get("status") == "committing" for parts in host.jobs.values()):
        return False
    host.add(system_of(words), commit_of(words), host.running["pins"])
    host.trial = None
    return True


def at_console(host: LivingHost, verb: str) -> bool:
    """Let a person at the console confirm or revert the job that holds the host; False when that changes nothing."""
    job = host.holder
    before = host.status(job, "activate") if job else ""
    if before not in ("waiting", "lost") or (verb == "confirm" and before == "lost"):
        return False
    try:
        host.tell(verb, {"job": job, "reason": "A person at the console asked to go back."})
    except HostError:
        return False
    host.jobs[job]["console"] = {"verb": verb, "by": "dan", "at": host.now()}
    return True
