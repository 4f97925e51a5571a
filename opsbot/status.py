"""What `!status` knows: everything asked side by side, and what could not be asked said as such."""

import asyncio
from collections.abc import Awaitable

from opsbot.errors import OpsbotError
from opsbot.model import Json, Probe
from opsbot.site import Site
from opsbot.snapshot import HostStatus, Status

#: Seconds that everything together may take; what has not answered by then is said so.
WITHIN = 8.0


async def gather(site: Site, *, within: float = WITHIN) -> Status:
    """Ask everything at once; never raises because something did not answer, and never takes longer than WITHIN."""
    services, endpoints = tuple(site.config.services), tuple(site.config.certificates)
    probes, certificates, hosts, jobs, holds = await asyncio.gather(
        asyncio.gather(*(_probe(site, name, within) for name in services)),
        asyncio.gather(*(_certificate(site, endpoint, within) for endpoint in endpoints)),
        asyncio.gather(*(_host(site, name, within) for name in site.hosts)),
        site.ledger.jobs(open_only=True),
        site.ledger.holds(),
    )
    return Status(
        probes=dict(zip(services, probes, strict=True)),
        certificates=dict(zip(endpoints, certificates, strict=True)),
        hosts=tuple(hosts),
        jobs=tuple(jobs),
        holds=tuple(holds),
    )


async def _probe(site: Site, name: str, within: float) -> Probe | None:
    try:
        return await asyncio.wait_for(site.outside.probe(name), within)
    except TimeoutError:
        return Probe(ok=False, problem=f"no answer within {within:.0f} s")


async def _certificate(site: Site, endpoint: str, within: float) -> float | str:
    try:
        return await asyncio.wait_for(site.outside.certificate_days(endpoint), within)
    except (OSError, TimeoutError) as error:
        return str(error) or "no answer"


async def _host(site: Site, name: str, within: float) -> HostStatus:
    host = site.hosts[name]
    config = site.config
    units = sorted({one.unit for key, one in config.services.items() if one.unit and config.host_of(key) == name})
    (facts, problem), (newest, newest_problem) = await asyncio.gather(
        _answer(host.ask("facts", {"units": units}, within=within), within),
        _answer(host.ask("newest", within=within), within),
    )
    return HostStatus(name=name, facts=facts, problem=problem, newest=newest, newest_problem=newest_problem)


async def _answer(asked: Awaitable[Json], within: float) -> tuple[Json, str]:
    try:
        return await asyncio.wait_for(asked, within), ""
    except TimeoutError:
        return None, f"no answer within {within:.0f} s"
    except OpsbotError as error:
        return None, str(error)
