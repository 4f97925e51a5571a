"""What a workspace consists of."""

from dataclasses import dataclass, field
from typing import Any

#: A JSON value.
Json = Any


class RefusedError(Exception):
    """Slack says no; the message is the code that it says it with."""

    def __init__(self, code: str, **more: str) -> None:
        super().__init__(code)
        self.code = code
        self.more = more


class TooFastError(Exception):
    """Slack wants fewer requests: again after WAIT seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"again after {wait} s")
        self.wait = wait


@dataclass(kw_only=True)
class Member:
    """Somebody whom the workspace knows: a person, the app's own user, or a guest of another workspace."""

    id: str
    name: str
    team: str
    bot: bool = False

    def json(self) -> Json:
        """Return what users.info says."""
        profile = {"display_name": self.name, "real_name": self.name, "email": f"{self.name.lower()}@example.org"}
        return {
            "id": self.id,
            "team_id": self.team,
            "name": self.name.lower(),
            "is_bot": self.bot,
            "is_app_user": False,
            "updated": 1_700_000_000,
            "tz": "Europe/Berlin",
            "deleted": False,
            "is_admin": False,
            "is_owner": False,
            # No picture: nobody must ask the net for one.
            "profile": {**profile, "image_512": "", "avatar_hash": ""},
        }


@dataclass(kw_only=True)
class Post:
    """A message in a channel, as it is now."""

    ts: str
    #: The member's id; of a webhook, empty.
    user: str
    text: str
    blocks: list[Json] = field(default_factory=list)
    thread: str | None = None
    #: The name that a webhook or an app gives itself.
    username: str = ""
    bot_id: str = ""
    subtype: str = ""
    edits: int = 0
    files: list[Json] = field(default_factory=list)
    #: Messages that were passed on, and previews of links.
    attachments: list[Json] = field(default_factory=list)
    #: Who reacted, by the emoji's name.
    reactions: dict[str, list[str]] = field(default_factory=dict)

    def json(self) -> Json:
        """Return the message as Slack's events and histories have it."""
        optional = {
            "user": self.user,
            "bot_id": self.bot_id,
            "username": self.username,
            "subtype": self.subtype,
            "thread_ts": self.thread,
            "blocks": self.blocks,
            "files": self.files,
            "attachments": self.attachments,
        }
        return {"type": "message", "ts": self.ts, "text": self.text, **{key: it for key, it in optional.items() if it}}


@dataclass(kw_only=True)
class Channel:
    """A channel with its members and what was said there."""

    id: str
    name: str
    team: str
    private: bool = False
    archived: bool = False
    members: list[str] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)

    def find(self, ts: str) -> Post:
        """Return the message of a time stamp. Raises RefusedError."""
        for post in self.posts:
            if post.ts == ts:
                return post
        raise RefusedError("message_not_found")

    def json(self, member: str, *, latest: bool = False) -> Json:
        """Return what conversations.info says to a member."""
        info = {
            "id": self.id,
            "name": self.name,
            "is_channel": not self.private,
            "is_group": self.private,
            "is_private": self.private,
            "is_im": False,
            "is_mpim": False,
            "is_archived": self.archived,
            "is_member": member in self.members,
            "num_members": len(self.members),
            "creator": self.members[0] if self.members else "",
            "topic": {"value": ""},
            "purpose": {"value": ""},
            "context_team_id": self.team,
        }
        return info | ({"latest": self.posts[-1].json()} if latest and self.posts else {})


@dataclass(frozen=True, kw_only=True)
class App:
    """The app that is installed in the workspace, as its manifest made it."""

    user: str
    bot_id: str
    scopes: frozenset[str]
    events: frozenset[str]
    socket_mode: bool

    @classmethod
    def of(cls, manifest: Json, *, user: str, bot_id: str) -> "App":
        """Read a manifest as Slack does when an app is made from it."""
        settings = manifest["settings"]
        return cls(
            user=user,
            bot_id=bot_id,
            scopes=frozenset(manifest["oauth_config"]["scopes"]["bot"]),
            events=frozenset(settings["event_subscriptions"]["bot_events"]),
            socket_mode=settings["socket_mode_enabled"],
        )
