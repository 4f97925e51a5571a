"""What happens in a portal, made to happen in Slack; the room is told of each event whether it was."""

import json

from opsbot.mautrix.config import Config
from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import Json, Login, SlackError
from opsbot.mautrix.portals import Portals
from opsbot.mautrix.slack import Slack
from opsbot.mautrix.toslack import blocks_of
from opsbot.workspace.emoji import NAMES

_STRANGER = "not logged in (no usable logins found)"
_COMMAND = "!slack"


class Outward:
    """Carries events of portals to Slack, for the one account that has a login."""

    def __init__(
        self, config: Config, memory: Memory, home: Homeserver, *, portals: Portals, login: Login, slack: Slack
    ) -> None:
        self._config = config
        self._memory = memory
        self._home = home
        self._portals = portals
        self._login = login
        self._slack = slack

    async def carry(self, event: Json, channel: str) -> None:
        """Carry one event over and tell how it went."""
        content = event.get("content", {})
        if str(content.get("body", "")).startswith(_COMMAND):
            return
        if event["sender"] != self._login.owner:
            await self._tell(event, _STRANGER, words="You're not logged in (no usable logins found)")
            if event["type"] == "m.room.message":
                await self._refuse(event)
            return
        try:
            await self._do(event, content, channel)
        except SlackError as problem:
            await self._tell(event, str(problem), words=str(problem) if str(problem).startswith("ignoring") else "")
        else:
            await self._tell(event)

    async def _do(self, event: Json, content: Json, channel: str) -> None:
        match event["type"]:
            case "m.room.message":
                await self._message(event, content, channel)
            case "m.reaction":
                await self._react(event, content, channel)
            case "m.room.redaction":
                await self._redact(event.get("redacts") or content.get("redacts", ""), channel)
            case _:
                pass

    async def _message(self, event: Json, content: Json, channel: str) -> None:
        kind, relation = content.get("msgtype"), content.get("m.relates_to") or {}
        if kind == "m.notice":
            raise SlackError("ignoring m.notice message")
        if relation.get("rel_type") == "m.replace":
            await self._update(content["m.new_content"], relation["event_id"], channel)
            return
        if kind == "m.emote":
            await self._slack.ask("chat.meMessage", channel=channel)
            return
        thread = self._thread(relation)
        blocks = blocks_of(content, self._portals.ghosts)
        ts = await self._slack.post(channel, blocks, thread)
        self._memory.keep_message(event["event_id"], channel, ts, thread)

    def _thread(self, relation: Json) -> str | None:
        # Slack has no replies: one becomes a part of a thread.
        root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
        root = root or (relation.get("m.in_reply_to") or {}).get("event_id")
        found = self._memory.message_of(root) if root else None
        return None if found is None else found[1] or found[0]

    async def _update(self, content: Json, target: str, channel: str) -> None:
        found = self._memory.message_of(target)
        if found is None:
            raise SlackError("target message of edit not found")
        blocks = json.dumps(blocks_of(content, self._portals.ghosts))
        await self._slack.ask("chat.update", channel=channel, ts=found[0], blocks=blocks)

    async def _react(self, event: Json, content: Json, channel: str) -> None:
        relation = content["m.relates_to"]
        key = relation["key"].rstrip("\ufe0f")
        name = next((name for name, shown in NAMES.items() if shown.rstrip("\ufe0f") == key), "")
        if not name:
            raise SlackError(f'unknown emoji "{relation["key"]}"')
        found = self._memory.message_of(relation["event_id"])
        if found is None:
            raise SlackError("reaction target message not found")
        await self._slack.ask("reactions.add", channel=channel, timestamp=found[0], name=name)
        self._memory.keep_reaction(event["event_id"], channel, found[0], self._login.user, name)

    async def _redact(self, target: str, channel: str) -> None:
        message, reaction = self._memory.message_of(target), self._memory.reaction_of(target)
        if message is not None:
            await self._slack.ask("chat.delete", channel=channel, ts=message[0])
        elif reaction is not None:
            await self._slack.ask("reactions.remove", channel=channel, timestamp=reaction[0], name=reaction[1])
        else:
            raise SlackError("redaction target message not found")

    async def _tell(self, event: Json, problem: str = "", *, words: str = "") -> None:
        if not self._config.status_events:
            return
        content: Json = {"m.relates_to": {"rel_type": "m.reference", "event_id": event["event_id"]}}
        if problem:
            content |= {"status": "FAIL_RETRIABLE", "reason": "m.event_not_handled", "internal_error": problem}
            content |= {"message": words} if words else {}
        else:
            content["status"] = "SUCCESS"
        await self._home.send(event["room_id"], "com.beeper.message_send_status", content)

    async def _refuse(self, event: Json) -> None:
        words = "⚠️ Your message was not bridged: You're not logged in (no usable logins found)"
        relation = {"m.in_reply_to": {"event_id": event["event_id"]}}
        content = {"msgtype": "m.notice", "body": words, "m.relates_to": relation}
        await self._home.send(event["room_id"], "m.room.message", content)
