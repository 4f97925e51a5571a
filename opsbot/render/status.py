"""`!status` in one message that fits a phone."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from opsbot.config import Service
from opsbot.model import Json, Probe, Text
from opsbot.render.jobs import short, summary
from opsbot.render.text import bold, fit, lines, table, words
from opsbot.render.times import age, size, span
from opsbot.snapshot import HostStatus, Status

#: Days a certificate must still have not to be worth a sign.
_DAYS = 14


def status_text(status: Status, services: Mapping[str, Service], *, now: datetime) -> Text:
    """Show the whole platform."""
    units = _units(status.hosts)
    rows = [_service(name, services[name], probe, units, now) for name, probe in status.probes.items()]
    return fit(
        lines(
            bold("services") if rows else None,
            table(rows) if rows else None,
            words(f"✗ Slack: {status.slack}") if status.slack else None,
            *(_certificate(endpoint, days) for endpoint, days in status.certificates.items()),
            *(part for host in status.hosts for part in (_host(host) if status.whole else _unasked(host))),
            *(_work(status, now) if status.whole else ()),
        )
    )


def _units(hosts: Iterable[HostStatus]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for host in hosts:
        known = host.facts["units"] if host.facts else {}
        found |= {unit: state for unit, state in known.items() if state["active"] != "not-found" or unit not in found}
    return found


def _service(
    name: str, service: Service, probe: Probe | None, units: Mapping[str, Json], now: datetime
) -> tuple[str, ...]:
    state = units.get(service.unit or "")
    well = (state is None or state["active"] == "active") and (probe is None or probe.ok)
    unknown = state is None and probe is None
    sign = "?" if unknown else "✓" if well else "✗"
    return (sign, name, _unit_words(service, state, now), _probe_words(probe))


def _unit_words(service: Service, state: Json, now: datetime) -> str:
    if not service.unit:
        return "-"
    if state is None:
        return "not asked"
    since = f" for {span(now.timestamp() - state['since'])}" if state.get("since") else ""
    return f"{state['active']}{since}"


def _probe_words(probe: Probe | None) -> str:
    if probe is None:
        return ""
    if not probe.ok:
        return probe.problem[:60]
    return f"{probe.latency * 1000:.0f} ms {probe.version}".rstrip()


def _certificate(endpoint: str, days: float | str) -> Text:
    if isinstance(days, str):
        return words(f"✗ certificate of `{endpoint}`: {days}")
    sign = "✓" if days > _DAYS else "✗"
    return words(f"{sign} certificate of `{endpoint}`: {days:.0f} days left")


def _host(host: HostStatus) -> list[Text]:
    shown = [bold(host.name)]
    if host.facts is None:
        shown.append(words(f"✗ cannot be asked: {host.problem} Its units, disks and generations are unknown."))
    else:
        shown += [*_health(host.facts), *_drift(host)]
    if host.newest is None:
        shown.append(words(f"? newest revisions could not be asked: {host.newest_problem}"))
    return shown


def _unasked(host: HostStatus) -> list[Text]:
    return [words(f"✗ `{host.name}` cannot be asked: {host.problem}")] if host.facts is None else []


def _health(facts: Json) -> list[Text]:
    load, memory = " ".join(f"{one:.2f}" for one in facts["load"]), facts["memory"]
    disks = [f"{path} {size(one['free'])} of {size(one['total'])}" for path, one in facts["disks"].items()]
    failed = ", ".join(f"`{unit}`" for unit in facts["failed_units"]) or "none"
    return [
        words(
            f"load {load} on {facts['cpus']} cores; memory {size(memory['available'])} of {size(memory['total'])} free"
        ),
        words("disks free: " + "; ".join(disks)),
        words(f"failed units: {failed}" + ("; reboot needed" if facts["reboot_needed"] else "")),
    ]


def _drift(host: HostStatus) -> list[Text]:
    facts, newest = host.facts, host.newest or {}
    profile, pins, projects = facts["profile"], facts["pins"], newest.get("projects") or {}
    runs = "runs" if facts["running"] == profile["system"] else "is the default, but another system runs"
    booted = "booted the same" if facts["booted"] == facts["running"] else "booted another one"
    waits = reboot_words(facts.get("staged"))
    commit = f"commit {short(facts['commit'])}, main {_newest(newest.get('platform'), facts['commit'])}"
    shown = [words(f"generation {profile['generation']} {runs}, {booted}; {commit}"), *waits]
    rows = [(name, short(pins.get(name)), _newest(projects.get(name), pins.get(name))) for name in facts["projects"]]
    return [*shown, table([("project", "runs", "newest"), *rows])] if rows else shown


def reboot_words(staged: Json) -> list[Text]:
    """Say what waits for a reboot, or for its proof."""
    if not staged:
        return []
    if staged["booted"]:
        return [words(f"🔁 generation {staged['generation']} was booted and is not proved yet")]
    if staged["rebooted"]:
        return [words(f"✗ generation {staged['generation']} is the default, but the last boot came up with another")]
    return [words(f"🔁 generation {staged['generation']} waits for a reboot")]


def _newest(found: Json, running: str | None) -> str:
    if not found:
        return "not asked"
    if "error" in found:
        return str(found["error"])[:60]
    return "is the same" if found["commit"] == running else short(found["commit"])


def _work(status: Status, now: datetime) -> list[Text]:
    jobs = [summary(job, age=age((now - job.created_at).total_seconds())) for job in status.jobs]
    holds = [words(f"hold on {one.project}: {one.reason} ({one.by})") for one in status.holds]
    return [*(jobs or [words("no job runs")]), *holds]
