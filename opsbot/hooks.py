"""What is done when another program calls a hook of a plugin."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from opsbot.context import Delivery
from opsbot.errors import ChatUnreachableError, ConfigError, OpsbotError, UsageError
from opsbot.model import Post, Text
from opsbot.site import Site
from opsbot.triggers.functions import Hook
from opsbot.triggers.signed import delivery_of, genuine, without_proof

log = logging.getLogger(__name__)

#: Characters of the shortest secret; one that can be guessed is none.
SHORTEST = 16
#: Deliveries of one hook that may wait for those before them.
MOST_WAITING = 20
#: Seconds between two lines of the log about calls that are refused.
_QUIET = 60.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the calling program is told: an HTTP status and a sentence."""

    status: int
    sentence: str


class Hooks:
    """The hooks that the configuration names, with their SECRETS; all others do not exist for a caller.

    Raises ConfigError when a secret can be guessed.
    """

    def __init__(self, site: Site, secrets: Mapping[str, str]) -> None:
        for name, secret in secrets.items():
            if len(secret) < SHORTEST:
                raise ConfigError(f"hooks.{name}: its secret is too short; make one with `openssl rand -hex 32`.")
        self._site = site
        self._secrets = secrets
        self._queues = {name: _Queue() for name in secrets}
        self._told = -_QUIET

    def hook(self, name: str) -> Hook | None:
        """Return the hook of a name, if the configuration grants it."""
        return self._site.hooks.get(name) if name in self._secrets else None

    async def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """See a call through; HEADERS go by their names in small letters."""
        hook = self.hook(name)
        if hook is None:
            return Answer(status=404, sentence="There is no such hook, or the configuration does not name it.")
        if not genuine(headers, body, self._secrets[name]):
            self._refused(hook)
            return Answer(status=401, sentence="Neither a right signature nor the right token.")
        queue = self._queues[name]
        if queue.waiting >= MOST_WAITING:
            return Answer(status=503, sentence="Too many deliveries wait already; send it again later.")
        async with queue:
            return await self._deliver(hook, headers, body)

    def _refused(self, hook: Hook) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told >= _QUIET:  # whoever tries must not fill the log
            self._told = now
            log.warning("hook refused", extra={"hook": hook.name})

    async def _deliver(self, hook: Hook, headers: Mapping[str, str], body: bytes) -> Answer:
        site, name = self._site, delivery_of(headers) or secrets.token_hex(16)
        cause = f"hook:{hook.name}:{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:32]}"
        if await site.deliveries.known(cause):
            return Answer(status=200, sentence="This was delivered before; nothing is done again.")
        try:
            room_id = await site.chat.room_id(site.config.hooks[hook.name].room)
        except ChatUnreachableError as error:
            return Answer(status=503, sentence=f"{error} Send it again later.")
        delivery = Delivery(site=site, plugin=hook.plugin, id=name, headers=without_proof(headers), body=body)
        said = await _call(hook, delivery)
        if isinstance(said, Answer):
            return said
        posts = [] if said is None else [Post(cause=cause, room_id=room_id, text=said)]
        await site.deliveries.finish(cause, posts)
        log.info("hook called", extra={"hook": hook.name, "plugin": hook.plugin, "said": bool(posts)})
        return Answer(status=200, sentence="It is said." if posts else "There is nothing to say about it.")


async def _call(hook: Hook, delivery: Delivery) -> Text | Answer | None:
    """Return what a hook says, or the answer to what it cannot do."""
    about = {"hook": hook.name, "plugin": hook.plugin}
    try:
        return await hook.said(delivery)
    except UsageError as error:
        log.warning("hook not understood", extra={**about, "why": str(error)})
        return Answer(status=400, sentence=str(error))
    except OpsbotError as error:
        log.error("hook failed", extra={**about, "why": str(error)})  # noqa: TRY400 - its sentence tells all
        return Answer(status=500, sentence=str(error))
    except Exception:
        reference = secrets.token_hex(3)
        log.exception("hook failed", extra={**about, "reference": reference})
        return Answer(status=500, sentence=f"Something broke in the plugin; the bot's log has it under {reference}.")


class _Queue:
    """Lets one delivery at a time through, in the order in which they came."""

    def __init__(self) -> None:
        self.waiting = 0
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> None:
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._turn.release()
