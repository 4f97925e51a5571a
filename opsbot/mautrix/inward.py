"""What happens in Slack, made to happen in Matrix."""

from opsbot.mautrix.attached import Attached
from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.memory import Memory
from opsbot.mautrix.model import Json, Login
from opsbot.mautrix.portals import Portals
from opsbot.mautrix.puppets import PUPPET, SOURCE
from opsbot.mautrix.tomatrix import read, with_profile
from opsbot.workspace.emoji import NAMES, TONED, TONES

#: What the bridge puts behind every emoji.
_VARIATION = "\ufe0f"
#: What Slack says of the channel itself; nothing of it becomes a message.
_UNSAID = ("channel_join", "channel_leave", "channel_topic", "channel_purpose")


class Inward:
    """Carries events of one login into its portals."""

    def __init__(self, memory: Memory, home: Homeserver, portals: Portals, login: Login, *, attached: Attached) -> None:
        self._attached = attached
        self._memory = memory
        self._home = home
        self._portals = portals
        self._login = login

    async def carry(self, event: Json) -> None:
        """Carry one event over; what is no message and no reaction changes no room."""
        match event.get("type"), event.get("subtype"):
            case "message", "message_changed":
                await self._edit(event)
            case "message", "message_deleted":
                await self._delete(event)
            case "message", "channel_name" | "group_name":
                await self._portals.rename(event["channel"])
            case "message", subtype if subtype in _UNSAID:
                pass
            case "message", _:
                await self._message(event)
            case "reaction_added", _:
                await self._react(event)
            case "reaction_removed", _:
                await self._unreact(event)
            case _:
                pass

    async def _message(self, event: Json) -> None:
        channel, ts, thread = event["channel"], event["ts"], event.get("thread_ts")
        if self._memory.event_of(channel, ts) is not None or event.get("user") == self._login.user:
            return
        room = await self._portals.portal(channel)
        sender, token = await self._portals.voice(event.get("user") or event["bot_id"])
        content = read(event, self._portals, self._home.server).content(_kind(event))
        extra: Json = {"com.beeper.disappearing_timer": {}}
        root = self._memory.event_of(channel, thread) if thread and thread != ts else None
        if root is not None:
            reply = {"m.in_reply_to": {"event_id": root}}
            extra["m.relates_to"] = {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, **reply}
        for number, part in enumerate(await self._attached.beside(content, event.get("files") or ())):
            shown = with_profile(part, event["username"]) if event.get("username") else part
            whole = shown | extra | _source(token)
            moment = int(float(ts) * 1000)
            sent = await self._home.send(room, "m.room.message", whole, user=sender, ts=moment, token=token)
            if number == 0:
                self._memory.keep_message(sent, channel, ts, thread)

    async def _edit(self, event: Json) -> None:
        channel, message = event["channel"], event["message"]
        target = self._memory.event_of(channel, message["ts"])
        if target is None or message.get("user") == self._login.user:
            return
        content = read(message, self._portals, self._home.server).content()
        whole = content | {
            "body": f"* {content['body']}",
            "m.new_content": content,
            "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        }
        sender, token = await self._portals.voice(message.get("user") or message["bot_id"])
        room = await self._portals.portal(channel)
        await self._home.send(room, "m.room.message", whole | _source(token), user=sender, token=token)

    async def _delete(self, event: Json) -> None:
        target = self._memory.event_of(event["channel"], event["deleted_ts"])
        author = event["previous_message"].get("user") or event["previous_message"].get("bot_id", "")
        if target is not None and author != self._login.user:
            room, (sender, token) = await self._portals.portal(event["channel"]), await self._portals.voice(author)
            await self._home.redact(room, target, user=sender, token=token)

    async def _react(self, event: Json) -> None:
        channel, ts, name = event["item"]["channel"], event["item"]["ts"], event["reaction"]
        target = self._memory.event_of(channel, ts)
        if target is None or event["user"] == self._login.user:
            return
        content = {
            "m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": _key(name)},
            "com.beeper.reaction.shortcode": f":{name}:",
            "fi.mau.slack.reaction": {"name": name},
        }
        sender, token = await self._portals.voice(event["user"])
        room = await self._portals.portal(channel)
        sent = await self._home.send(room, "m.reaction", content | _source(token), user=sender, token=token)
        self._memory.keep_reaction(sent, channel, ts, event["user"], name)

    async def _unreact(self, event: Json) -> None:
        channel, ts, name = event["item"]["channel"], event["item"]["ts"], event["reaction"]
        target = self._memory.reaction_event(channel, ts, event["user"], name)
        if target is not None and event["user"] != self._login.user:
            room, (sender, token) = await self._portals.portal(channel), await self._portals.voice(event["user"])
            await self._home.redact(room, target, user=sender, token=token)


def _kind(event: Json) -> str:
    return "m.emote" if event.get("subtype") == "me_message" else "m.text"


def _key(name: str) -> str:
    """Return what a reaction is on Matrix; an emoji in a tone that it does not have stays a name."""
    base, _, tone = name.partition("::")
    if tone and base not in TONED:
        return f":{name}:"
    return NAMES[base].rstrip(_VARIATION) + (TONES[tone] if tone else _VARIATION)


def _source(token: str) -> Json:
    """Return what marks the event of a double puppet."""
    return {PUPPET: SOURCE} if token else {}
