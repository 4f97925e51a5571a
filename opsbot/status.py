"""What `!status` knows: everything asked side by side, and what could not be asked said as such."""

import asyncio
from collections.abc import Awaitable, Collection

from opsbot.answers import PROTOCOL
from opsbot.errors import OpsbotError, UsageError
from opsbot.model import Json, Probe
from opsbot.site import Site
from opsbot.snapshot import HostStatus, Status
from opsbot.typed import shown, suggestion

#: Seconds that everything together may take; what has not answered by then is said so.
WITHIN = 8.0
#: How many names are told to somebody who asks for one that there is not.
_NAMED = 20


async def gather(site: Site, *, about: str = "", within: float = WITHIN) -> Status:
    """Ask everything, or only what is ABOUT one service, project or host, side by side.

    Never raises because something did not answer, and never takes longer than WITHIN seconds. Raises UsageError when
    there is nothing of that name.
    """
    services, names = _scope(site, about)
    endpoints = () if about else tuple(site.config.certificates)
    probes, certificates, hosts, jobs, holds, slack = await asyncio.gather(
        asyncio.gather(*(_probe(site, name, within) for name in services)),
        asyncio.gather(*(_certificate(site, endpoint, within) for endpoint in endpoints)),
        asyncio.gather(*(_host(site, name, services, within) for name in names)),
        site.ledger.jobs(open_only=True),
        site.ledger.holds(),
        _slack(site, within),
    )
    return Status(
        probes=dict(zip(services, probes, strict=True)),
        certificates=dict(zip(endpoints, certificates, strict=True)),
        hosts=tuple(hosts),
        jobs=tuple(jobs),
        holds=tuple(holds),
        whole=not about or about in site.hosts,
        slack=slack,
    )


def _scope(site: Site, about: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the services and the hosts that are meant."""
    config = site.config
    if not about:
        return tuple(config.services), tuple(site.hosts)
    if about in config.services:
        return (about,), tuple(name for name in (config.host_of(about),) if name)
    if about in config.projects:
        return config.projects[about].services, (config.projects[about].host,)
    if about in site.hosts:
        return tuple(one for one in config.services if config.host_of(one) == about), (about,)
    known = [*config.services, *(one for one in config.projects if one not in config.services), *site.hosts]
    meant = (
        suggestion(about, known) or f" There are: {', '.join(known[:_NAMED])}{', …' if len(known) > _NAMED else ''}."
    )
    raise UsageError(f"There is no service, project or host `{shown(about)}`.{meant}")


async def _probe(site: Site, name: str, within: float) -> Probe | None:
    try:
        return await asyncio.wait_for(site.outside.probe(name), within)
    except TimeoutError:
        return Probe(ok=False, problem=f"no answer within {within:.0f} s")


async def _slack(site: Site, within: float) -> str:
    if site.slack is None:
        return ""
    try:
        wrong = await asyncio.wait_for(site.slack.wrong(), within)
    except TimeoutError:
        return f"The bridge did not answer within {within:.0f} s."
    proof = None if wrong else await site.slack.tested()
    return wrong if proof is None or proof.busy else proof.problem


async def _certificate(site: Site, endpoint: str, within: float) -> float | str:
    try:
        return await asyncio.wait_for(site.outside.certificate_days(endpoint), within)
    except (OSError, TimeoutError) as error:
        return str(error) or "no answer"


async def _host(site: Site, name: str, services: Collection[str], within: float) -> HostStatus:
    host = site.hosts[name]
    config = site.config
    here = (config.services[key] for key in services if config.host_of(key) == name)
    units = sorted({one.unit for one in here if one.unit})
    (facts, problem), (newest, newest_problem) = await asyncio.gather(
        _answer(host.ask("facts", {"units": units}, within=within), within),
        _answer(host.ask("newest", within=within), within),
    )
    facts, problem = (None, problem) if problem else _understood(facts)
    return HostStatus(name=name, facts=facts, problem=problem, newest=newest, newest_problem=newest_problem)


def _understood(facts: Json) -> tuple[Json, str]:
    """Return facts that this bot can read, or the sentence about a helper of another version."""
    if not isinstance(facts, dict):
        return None, "opsbot-host there answers what this bot does not understand."
    spoken = facts.get("protocol", PROTOCOL)
    if spoken != PROTOCOL:
        return None, f"opsbot-host there speaks version {spoken} of the protocol, and this bot {PROTOCOL}."
    return facts, ""


async def _answer(asked: Awaitable[Json], within: float) -> tuple[Json, str]:
    try:
        return await asyncio.wait_for(asked, within), ""
    except TimeoutError:
        return None, f"no answer within {within:.0f} s"
    except OpsbotError as error:
        return None, str(error)
