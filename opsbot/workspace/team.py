"""The workspace itself: its members and its channels, and what they do there. All that happens is told as an event."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from opsbot.workspace.emoji import is_known
from opsbot.workspace.model import App, Channel, Json, Member, Post, RefusedError
from opsbot.workspace.richtext import Eyes, typed


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A message as a member sees it."""

    ts: str
    who: str
    text: str
    #: The message whose thread it is in.
    thread: str | None
    edits: int
    #: Each emoji's name with who reacted.
    reactions: dict[str, tuple[str, ...]]


class Team:
    """A workspace with one app in it."""

    def __init__(self, manifest: Json, *, id: str = "T0TEAM", name: str = "Acme", bot: str = "opsbot") -> None:  # noqa: A002 - Slack's own word
        self.id = id
        self.name = name
        self.members: dict[str, Member] = {}
        self.channels: dict[str, Channel] = {}
        self.app = App.of(manifest, user="U0BOT", bot_id="B0BOT")
        self.members["U0BOT"] = Member(id="U0BOT", name=bot, team=id, bot=True)
        #: Hears of each event, with the name under which an app subscribes to it.
        self.listeners: list[Callable[[str, Json], None]] = []
        #: Seconds that the workspace's clock is behind: so something was said a while ago.
        self.behind = 0.0
        #: The newest stamp on each of its clocks.
        self._last: dict[float, int] = {}

    def stamp(self) -> str:
        """Return a new time stamp; no two are the same."""
        now = time.time_ns() // 1000 - int(self.behind * 1_000_000)
        stamp = self._last[self.behind] = max(self._last.get(self.behind, 0) + 1, now)
        return f"{stamp // 1_000_000}.{stamp % 1_000_000:06}"

    def add_member(self, name: str, *, id: str = "", team: str = "") -> Member:  # noqa: A002 - Slack's own word
        """Let somebody in; of another TEAM, as a guest."""
        member = Member(id=id or f"U0{name.upper()}", name=name, team=team or self.id)
        self.members[member.id] = member
        return member

    def add_channel(self, name: str, *members: Member, private: bool = False, app: bool = True) -> Channel:
        """Make a channel; APP says whether the app is in it."""
        kind = "G" if private else "C"
        inside = [member.id for member in members] + ([self.app.user] if app else [])
        channel = Channel(
            id=f"{kind}0{name.upper().replace('-', '')}", name=name, team=self.id, private=private, members=inside
        )
        self.channels[channel.id] = channel
        return channel

    def channel(self, id: str) -> Channel:  # noqa: A002 - Slack's own word
        """Return a channel. Raises RefusedError."""
        if id not in self.channels:
            raise RefusedError("channel_not_found")
        return self.channels[id]

    def say(self, member: Member, channel: Channel, words: str, *, thread: str | None = None) -> str:
        """Type a message as a member; return its time stamp."""
        text, blocks = typed(words)
        post = Post(ts=self.stamp(), user=member.id, text=text, blocks=blocks, thread=thread)
        return self.publish(channel, post)

    def show(self, member: Member, channel: Channel, words: str, *files: Json) -> str:
        """Type a message as a member, with files that the workspace has; return its time stamp."""
        text, blocks = typed(words)
        blocks = blocks if words else []
        post = Post(ts=self.stamp(), user=member.id, text=text, blocks=blocks, subtype="file_share", files=list(files))
        return self.publish(channel, post)

    def say_of_oneself(self, member: Member, channel: Channel, words: str) -> str:
        """Type `/me …` as a member."""
        post = Post(ts=self.stamp(), user=member.id, text=f"_{words}_", subtype="me_message")
        return self.publish(channel, post)

    def hook(self, channel: Channel, username: str, words: str) -> str:
        """Post through an incoming webhook, under any name."""
        post = Post(ts=self.stamp(), user="", bot_id="B0HOOK", username=username, text=words, subtype="bot_message")
        return self.publish(channel, post)

    def publish(self, channel: Channel, post: Post) -> str:
        """Put a message into a channel and tell it; return its time stamp."""
        channel.posts.append(post)
        self._tell_message(channel, post.json() | {"event_ts": post.ts})
        return post.ts

    def edit(self, channel: Channel, ts: str, words: str) -> None:
        """Change what a member said."""
        text, blocks = typed(words)
        self.change(channel, channel.find(ts), text=text, blocks=blocks)

    def change(self, channel: Channel, post: Post, *, text: str, blocks: list[Json]) -> None:
        """Give a message other words and tell it."""
        before = post.json()
        post.text, post.blocks, post.edits = text, blocks, post.edits + 1
        moment = self.stamp()
        after = post.json() | {"edited": {"user": post.user, "ts": moment}}
        self._tell_message(
            channel,
            {
                "type": "message",
                "subtype": "message_changed",
                "hidden": True,
                "ts": moment,
                "event_ts": moment,
                "message": after,
                "previous_message": before,
            },
        )

    def delete(self, channel: Channel, ts: str) -> None:
        """Take a message away and tell it."""
        post = channel.find(ts)
        channel.posts.remove(post)
        moment = self.stamp()
        self._tell_message(
            channel,
            {
                "type": "message",
                "subtype": "message_deleted",
                "hidden": True,
                "ts": moment,
                "event_ts": moment,
                "deleted_ts": ts,
                "previous_message": post.json(),
            },
        )

    def react(self, member: Member, channel: Channel, ts: str, name: str) -> None:
        """Answer a message with an emoji. Raises RefusedError."""
        if not is_known(name):
            raise RefusedError("invalid_name")
        people = channel.find(ts).reactions.setdefault(name, [])
        if member.id in people:
            raise RefusedError("already_reacted")
        people.append(member.id)
        self._tell_reaction("reaction_added", member, channel, ts, name)

    def unreact(self, member: Member, channel: Channel, ts: str, name: str) -> None:
        """Take an emoji back. Raises RefusedError."""
        reactions = channel.find(ts).reactions
        if member.id not in reactions.get(name, []):
            raise RefusedError("no_reaction")
        reactions[name].remove(member.id)
        self._tell_reaction("reaction_removed", member, channel, ts, name)

    def invite_app(self, channel: Channel) -> None:
        """Type `/invite @opsbot` in a channel."""
        channel.members.append(self.app.user)
        event = {"type": "member_joined_channel", "user": self.app.user, "channel": channel.id, "team": self.id}
        self._tell("member_joined_channel", event | {"channel_type": "C", "event_ts": self.stamp()})

    def rename(self, member: Member, channel: Channel, name: str) -> None:
        """Give a channel another name, as a member."""
        before, channel.name = channel.name, name
        kind = "group_name" if channel.private else "channel_name"
        said = f'has renamed the channel from "{before}" to "{name}"'
        change = {"type": "message", "subtype": kind, "user": member.id, "old_name": before, "name": name}
        ts = self.stamp()
        self._tell_message(channel, change | {"text": said, "ts": ts, "event_ts": ts})

    def see(self, channel: Channel) -> list[Seen]:
        """Return a channel as a member sees it, threads and all, oldest first."""
        names = {one.id: one.name for one in self.members.values()}
        eyes = Eyes(names, {one.id: one.name for one in self.channels.values()})
        return [
            Seen(
                ts=post.ts,
                who=post.username or names.get(post.user, post.user),
                text=eyes.see(post.blocks, post.text),
                thread=post.thread,
                edits=post.edits,
                reactions={
                    name: tuple(names[who] for who in people) for name, people in post.reactions.items() if people
                },
            )
            for post in channel.posts
        ]

    def _tell_message(self, channel: Channel, event: Json) -> None:
        kind, subscription = ("group", "message.groups") if channel.private else ("channel", "message.channels")
        self._tell(subscription, event | {"channel": channel.id, "channel_type": kind, "team": self.id})

    def _tell_reaction(self, kind: str, member: Member, channel: Channel, ts: str, name: str) -> None:
        item = {"type": "message", "channel": channel.id, "ts": ts}
        author = channel.find(ts).user
        event = {"type": kind, "user": member.id, "reaction": name, "item": item, "item_user": author}
        self._tell(kind, event | {"event_ts": self.stamp()})

    def tell_file(self, file_id: str) -> None:
        """Tell that the app has brought a file."""
        event = {"type": "file_created", "file_id": file_id, "file": {"id": file_id}, "user_id": self.app.user}
        self._tell("file_created", event | {"event_ts": self.stamp()})

    def _tell(self, subscription: str, event: Json) -> None:
        if subscription in self.app.events:
            for listener in self.listeners:
                listener(subscription, event)
