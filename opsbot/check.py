"""`opsbot check`: try everything that the configuration names, and say what to do about what is not well."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from opsbot import __version__
from opsbot.config import BadConfigError, Config, load
from opsbot.connect import database_place, forgejo, ssh_host
from opsbot.credentials import Credentials, unheard
from opsbot.errors import ChatRefusedError, ChatUnreachableError, ConfigError, ForgeError, OpsbotError
from opsbot.hooks import SHORTEST
from opsbot.matrix.client import Client
from opsbot.matrix.events import listing, mapping, text
from opsbot.matrix.problems import AnswerError, TokenRefusedError
from opsbot.model import Json
from opsbot.onhost import PROTOCOL
from opsbot.plugins import Loaded, home
from opsbot.plugins import load as load_plugins
from opsbot.rulebook import Rulebook
from opsbot.slackcheck import missing_channel, slack_lines
from opsbot.store.address import is_sqlite
from opsbot.store.look import look, look_at_file
from opsbot.triggers.grants import faults, notes
from opsbot.web.rooms import join_rule

#: Seconds for one question.
WITHIN = 15.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was found out about one thing."""

    what: str
    sentence: str
    ok: bool = True

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.what}: {self.sentence}"


def fails(what: str, sentence: object) -> Line:
    """Return the line for something that is not well."""
    return Line(what=what, sentence=str(sentence), ok=False)


async def check(
    path: Path, environ: Mapping[str, str], *, offline: bool = False, on_secret: Callable[[str], None] = unheard
) -> AsyncIterator[Line]:
    """Yield a line for each thing that the configuration at PATH names; OFFLINE, only for the file itself."""
    try:
        config = load(path, environ)
    except BadConfigError as error:
        for problem in error.problems:
            yield fails("configuration", problem)
        return
    yield Line(what="configuration", sentence=_summary(config))
    loaded = load_plugins(home(), *map(Path, config.plugins))
    for line in _plugins(config, loaded):
        yield line
    if offline:
        return
    credentials = Credentials.of(environ, config.credentials, on_secret=on_secret)
    for line in (*_credentials(config, credentials), await _database(config, credentials)):
        yield line
    hosts = (_host(name, config, credentials) for name in config.hosts)
    asked = (_homeserver(config, credentials), _slack(config, credentials), *hosts, _forge(config, credentials))
    for lines in asked:
        async for line in lines:
            yield line


async def _slack(config: Config, credentials: Credentials) -> AsyncIterator[Line]:
    async for well, sentence in slack_lines(config, credentials):
        yield Line(what="slack", sentence=sentence, ok=well)


def _summary(config: Config) -> str:
    counts = {"people": config.people, "hosts": config.hosts, "projects": config.projects, "services": config.services}
    return ", ".join(f"{word} {len(found)}" for word, found in counts.items()) + "."


def _credentials(config: Config, credentials: Credentials) -> Iterator[Line]:
    for key, name in config.secrets.items():
        try:
            secret = credentials.read(name)
        except ConfigError as error:
            yield fails(f"credential {name}", f"{error} ({key} names it.)")
            continue
        if key.startswith("hooks.") and len(secret) < SHORTEST:
            yield fails(f"credential {name}", f"is too short for {key}; make one with `openssl rand -hex 32`.")
        else:
            yield Line(what=f"credential {name}", sentence="is there, and nobody else may read it.")


async def _database(config: Config, credentials: Credentials) -> Line:
    try:
        where = database_place(config, credentials)
        sentence = (
            look_at_file(Path(where.database or "")) if is_sqlite(where) else await asyncio.to_thread(look, where)
        )
    except ConfigError as error:
        return fails("database", error)
    return Line(what="database", sentence=sentence)


def _plugins(config: Config, loaded: Loaded) -> Iterator[Line]:
    """Yield what is wrong between the plugins and the configuration; when all load, nothing is missing for that."""
    if loaded.problems:
        yield fails("commands", " ".join(loaded.problems))
        return
    yield Line(what="commands", sentence=f"{len(loaded.commands)} load.")
    for stray in Rulebook(config=config, commands=loaded.commands).strays:
        yield fails("rules", stray)
    for fault in faults(config, loaded.schedules, loaded.hooks):
        yield fails("plugins", fault)
    for note in notes(config, loaded.hooks):
        yield Line(what="plugins", sentence=note)


async def _host(name: str, config: Config, credentials: Credentials) -> AsyncIterator[Line]:
    what = f"host {name}"
    units = sorted({one.unit for key, one in config.services.items() if one.unit and config.host_of(key) == name})
    try:
        host = ssh_host(name, config, credentials)
    except ConfigError as error:
        yield fails(what, error)
        return
    try:
        facts = await host.ask("facts", {"units": units[:50]}, within=WITHIN)
    except OpsbotError as error:
        yield fails(what, error)
    else:
        for line in _facts(what, name, config, mapping(facts)):
            yield line
    finally:
        await host.close()


def _facts(what: str, name: str, config: Config, facts: Json) -> Iterator[Line]:
    theirs, protocol = str(facts.get("version")), facts.get("protocol")
    if protocol != PROTOCOL:
        advice = "deploy the host with the bot's own version of nix/host.nix"
        yield fails(what, f"speaks version {protocol} of the protocol, and this bot {PROTOCOL}: {advice}.")
        return
    behind = "" if theirs == __version__ else f"; this is {__version__}"
    yield Line(what=what, sentence=f"answers over SSH with its pinned key; opsbot-host {theirs}{behind}.")
    known = facts.get("projects") or []
    for project in (key for key, one in config.projects.items() if one.host == name and key not in known):
        yield fails(f"project {project}", f"{name} does not know it; add it to the host's list of projects.")
    units = facts.get("units") or {}
    for service, one in config.services.items():
        if one.unit and config.host_of(service) == name and units.get(one.unit, {}).get("active") == "not-found":
            yield fails(f"service {service}", f"{name} has no unit {one.unit}; correct the name.")


async def _forge(config: Config, credentials: Credentials) -> AsyncIterator[Line]:
    try:
        forge = forgejo(config, credentials)
        if forge is None:
            return
        version = await forge.version()
        may_push = await forge.may_push()
    except (ConfigError, ForgeError) as error:
        yield fails("forge", error)
        return
    if may_push:
        yield Line(what="forge", sentence=f"Forgejo {version}; the token may open pull requests.")
    else:
        yield fails("forge", "the token may not write to the repository; let its owner, with scope write:repository.")


async def _homeserver(config: Config, credentials: Credentials) -> AsyncIterator[Line]:
    client = Client(config.homeserver.url, patience=WITHIN)
    try:
        file = config.homeserver.token_file
        token = credentials.read(file) if file else ""
        entered = await _enter(client, config, token)
        yield entered
        if entered.ok and token:
            for line in await _rooms(client, config, token):
                yield line
            if config.bridge is not None:
                yield await _bridge(client, config.bridge.bot)
            if (sentence := await missing_channel(client, config, credentials)) is not None:
                yield fails("slack", sentence)
    except TokenRefusedError:
        yield fails("homeserver", "does not accept the access token; make another, and put it into the credential.")
    except (ConfigError, ChatUnreachableError, ChatRefusedError) as error:
        yield fails("homeserver", error)
    finally:
        await client.close()


async def _enter(client: Client, config: Config, token: str) -> Line:
    wanted = config.homeserver
    if not token:
        flows = listing(mapping(await client.ask("GET", "login")).get("flows"))
        if any(mapping(flow).get("type") == "m.login.password" for flow in flows):
            return Line(what="homeserver", sentence="takes passwords; not tried, for each login makes a device.")
        return fails("homeserver", "takes no passwords; give the bot a token_file.")
    client.log_in(user_id=wanted.user, token=token)
    me = text(mapping(await client.ask("GET", "account", "whoami")).get("user_id")) or "nobody"
    if me != wanted.user:
        return fails("homeserver", f"the token is that of {me}, but homeserver.user is {wanted.user}.")
    return Line(what="homeserver", sentence=f"{wanted.url} knows the bot as {me}.")


async def _rooms(client: Client, config: Config, token: str) -> list[Line]:
    joined = listing(mapping(await client.ask("GET", "joined_rooms")).get("joined_rooms"))
    nothing = {"timeline": {"limit": 0}, "state": {"types": []}}
    news = await client.ask("GET", "sync", query={"timeout": 0, "filter": json.dumps({"room": nothing})})
    invited = mapping(mapping(mapping(news).get("rooms")).get("invite"))
    return [await _room(client, name, token, joined=joined, invited=invited) for name in config.rooms]


async def _room(client: Client, name: str, token: str, *, joined: Collection[str], invited: Collection[str]) -> Line:
    what, room_id = f"room {name}", name
    try:
        if name.startswith("#"):
            room_id = text(mapping(await client.ask("GET", "directory", "room", name)).get("room_id"))
    except AnswerError:
        return fails(what, "there is no room of this name; give the alias to a room, or correct it.")
    if room_id in joined:
        return Line(what=what, sentence="the bot is in it.")
    if room_id in invited:
        return Line(what=what, sentence="the bot is invited, and joins when it starts.")
    if await join_rule(client.url, token, room_id) == "public":
        return Line(what=what, sentence="everybody may join it, and the bot does when it starts.")
    return fails(what, "the bot is not in it and not invited; invite it.")


async def _bridge(client: Client, bot: str) -> Line:
    try:
        await client.ask("GET", "profile", bot)
    except AnswerError:
        return fails("bridge", f"the homeserver knows no {bot}; correct bridge.bot, or start the bridge once.")
    return Line(what="bridge", sentence=f"{bot} is there.")
