"""From the configuration to the edges: the one place where keys become connections."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from opsbot.config import Bridge, Config
from opsbot.credentials import Credentials
from opsbot.forge import Forgejo
from opsbot.matrix.edge import MatrixEdge
from opsbot.matrix.settings import Bridged, MatrixSettings
from opsbot.oversight import Oversight
from opsbot.people import is_heard, portal_of
from opsbot.ssh import Address, SshHost
from opsbot.store.address import Place, place
from opsbot.store.database import Database
from opsbot.store.inbox import Inbox
from opsbot.store.ledger import Ledger
from opsbot.store.memory import Memory
from opsbot.store.outbox import Outbox
from opsbot.store.receipts import Receipts
from opsbot.web.probes import Prober, Target


def database_place(config: Config, credentials: Credentials) -> Place:
    """Return where the database is, with its password. Raises ConfigError when that cannot be read."""
    file = config.database_password_file
    return place(config.database, credentials.read(file) if file else None)


def matrix_settings(config: Config, credentials: Credentials) -> MatrixSettings:
    """Return what the chat edge must be told. Raises ConfigError when a secret cannot be read."""
    home, bridge = config.homeserver, config.bridge
    people = {account for person in config.people for account in person.accounts}
    return MatrixSettings(
        homeserver=home.url,
        user_id=home.user,
        token_file=credentials.path(home.token_file) if home.token_file else None,
        password_file=credentials.path(home.password_file) if home.password_file else None,
        rooms=frozenset(config.rooms),
        inviters=frozenset(people | ({bridge.bot} if bridge else set())),
        bridged=Bridged() if bridge is None else _bridged(config, bridge),
    )


def _bridged(config: Config, bridge: Bridge) -> Bridged:
    server = config.homeserver.server
    return Bridged(
        bot=bridge.bot,
        alerts=config.rooms[0],
        portal_of=partial(portal_of, bridge=bridge, server=server),
        is_heard=partial(is_heard, bridge=bridge),
    )


def chat_edge(
    config: Config, credentials: Credentials, database: Database, wake: asyncio.Event, oversight: Oversight
) -> MatrixEdge:
    """Return the bot's account on its homeserver; WAKE is set when somebody has said something. Raises ConfigError."""
    edge = MatrixEdge(
        matrix_settings(config, credentials),
        inbox=Inbox(database),
        outbox=Outbox(database),
        memory=Memory(database),
        on_messages=wake.set,
        on_turn=oversight.sync_turned,
        busy=partial(_busy, Ledger(database)),
        tell=oversight.tell,
        on_secret=credentials.on_secret,
        receipts=Receipts(database, alerts=lambda: edge.rooms.alerts, channels=lambda: edge.rooms.channels),
    )
    return edge


async def _busy(ledger: Ledger) -> bool:
    return bool(await ledger.jobs(open_only=True))


def ssh_host(name: str, config: Config, credentials: Credentials) -> SshHost:
    """Return a managed host, not yet connected. Raises ConfigError when its key cannot be read or used."""
    entry = config.hosts[name]
    address = Address(
        address=entry.address,
        port=entry.port,
        user=entry.user,
        key=credentials.read(entry.key_file),
        host_key=entry.host_key,
    )
    return SshHost(name, address)


async def close_hosts(hosts: Mapping[str, SshHost]) -> None:
    """Close the connections to hosts."""
    for host in hosts.values():
        await host.close()


def prober(config: Config, *, shown: Callable[[str], str] = str) -> Prober:
    """Return what looks at the services from outside; what they say is SHOWN without secrets."""
    return Prober(
        {
            name: Target(http=one.http, tcp=one.tcp, expect=one.expect, version=one.version)
            for name, one in config.services.items()
        },
        shown=shown,
    )


def forgejo(config: Config, credentials: Credentials) -> Forgejo | None:
    """Return the forge, if there is one. Raises ConfigError when its token cannot be read."""
    forge = config.forge
    if forge is None:
        return None
    return Forgejo(forge.url, forge.repository, credentials.read(forge.token_file), branch=forge.branch)
