"""The Web API: what an app may ask, with which scope, and what Slack answers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opsbot.workspace.files import Files
from opsbot.workspace.model import Channel, Json, Member, Post, RefusedError
from opsbot.workspace.rules import Pace, check_message, check_place
from opsbot.workspace.team import Team
from opsbot.workspace.weather import Weather

Form = Mapping[str, str]


@dataclass(kw_only=True)
class Api:
    """Answers each method of the Web API for the app of a team."""

    team: Team
    pace: Pace = field(default_factory=Pace)
    weather: Weather = field(default_factory=Weather)
    files: Files = field(default_factory=Files)
    #: The member as whom an app speaks that is not the bot's.
    user: str = ""

    def answer(self, method: str, form: Form) -> Json:
        """Do what is asked. Raises RefusedError or TooFastError."""
        if method not in _METHODS:
            raise RefusedError("unknown_method")
        needed, do = _METHODS[method]
        scope = needed(self, form) if callable(needed) else needed
        if scope and scope not in self.team.app.scopes:
            raise RefusedError("missing_scope", needed=scope, provided=",".join(sorted(self.team.app.scopes)))
        return do(self, form)

    @property
    def me(self) -> Member:
        """The user that the app speaks as."""
        return self.team.members[self.user or self.team.app.user]

    @property
    def bot_id(self) -> str:
        """The id of the app's bot; empty where it speaks as a member."""
        return self.team.app.bot_id if self.me.bot else ""

    def auth_test(self, _: Form) -> Json:
        """Say whose token it is."""
        team = self.team
        url = "https://acme.slack.com/"
        who = {"url": url, "team": team.name, "user": self.me.name, "team_id": team.id, "user_id": self.me.id}
        return who | ({"bot_id": self.bot_id} if self.bot_id else {})

    def team_info(self, _: Form) -> Json:
        """Say what workspace it is."""
        team = self.team
        return {"team": {"id": team.id, "name": team.name, "domain": "acme", "icon": {"image_default": True}}}

    def users_info(self, form: Form) -> Json:
        """Say who somebody is."""
        if form.get("user") not in self.team.members:
            raise RefusedError("user_not_found")
        return {"user": self.team.members[form["user"]].json()}

    def bots_info(self, form: Form) -> Json:
        """Say what a webhook or an app is."""
        return {
            "bot": {
                "id": form.get("bot", ""),
                "name": "incoming-webhook",
                "updated": 1_700_000_000,
                "icons": {"image_72": ""},
            }
        }

    def users_conversations(self, _: Form) -> Json:
        """List the channels that the app is in."""
        inside = [one.json(self.me.id) for one in self.team.channels.values() if self.me.id in one.members]
        return {"channels": inside, "response_metadata": {"next_cursor": ""}}

    def conversations_info(self, form: Form) -> Json:
        """Say what a channel is."""
        return {"channel": self.channel(form).json(self.me.id, latest=True)}

    def conversations_members(self, form: Form) -> Json:
        """List who is in a channel."""
        return {"members": self.channel(form).members, "response_metadata": {"next_cursor": ""}}

    def conversations_history(self, form: Form) -> Json:
        """Return what was said in a channel, newest first."""
        oldest, latest = form.get("oldest") or "0", form.get("latest") or "9"
        posts = [post.json() for post in self.channel(form).posts if oldest < post.ts < latest and not post.thread]
        limit = int(form.get("limit") or 100)
        return {"messages": posts[::-1][:limit], "has_more": len(posts) > limit}

    def emoji_list(self, _: Form) -> Json:
        """List the workspace's own emoji: none."""
        return {"emoji": {}}

    def usergroups_list(self, _: Form) -> Json:
        """List the groups of members: none."""
        return {"usergroups": []}

    def post_message(self, form: Form) -> Json:
        """Post a message."""
        channel, text, blocks = self.channel(form), form.get("text", ""), self._blocks(form)
        check_place(channel, self.me.id)
        check_message(text, blocks)
        thread = form.get("thread_ts") or None
        if thread:
            channel.find(thread)
        self.weather.check(channel.id)
        self.pace.post(channel.id)
        if form.get("username") and "chat:write.customize" not in self.team.app.scopes:
            raise RefusedError("missing_scope", needed="chat:write.customize")
        post = Post(
            ts=self.team.stamp(),
            user=self.me.id,
            bot_id=self.bot_id,
            text=text,
            blocks=blocks,
            thread=thread,
            username=form.get("username", ""),
        )
        self.team.publish(channel, post)
        return {"channel": channel.id, "ts": post.ts, "message": post.json()}

    def me_message(self, form: Form) -> Json:
        """Post `/me …`."""
        channel = self.channel(form)
        check_place(channel, self.me.id)
        if not form.get("text"):
            raise RefusedError("no_text")
        self.pace.post(channel.id)
        return {"channel": channel.id, "ts": self.team.say_of_oneself(self.me, channel, form["text"])}

    def update(self, form: Form) -> Json:
        """Change a message."""
        channel, text, blocks = self.channel(form), form.get("text", ""), self._blocks(form)
        post = self._own(channel, form, "cant_update_message")
        if channel.archived:
            raise RefusedError("is_inactive")
        check_message(text, blocks)
        self.weather.check(channel.id)
        self.pace.update()
        self.team.change(channel, post, text=text, blocks=blocks)
        return {"channel": channel.id, "ts": post.ts, "text": text}

    def delete(self, form: Form) -> Json:
        """Take a message away."""
        channel = self.channel(form)
        post = self._own(channel, form, "cant_delete_message")
        self.team.delete(channel, post.ts)
        return {"channel": channel.id, "ts": post.ts}

    def add_reaction(self, form: Form) -> Json:
        """Answer with an emoji."""
        channel = self.channel(form)
        check_place(channel, self.me.id)
        self.team.react(self.me, channel, form.get("timestamp", ""), form.get("name", ""))
        return {}

    def remove_reaction(self, form: Form) -> Json:
        """Take an emoji back."""
        self.team.unreact(self.me, self.channel(form), form.get("timestamp", ""), form.get("name", ""))
        return {}

    def upload_url(self, form: Form) -> Json:
        """Say where a file goes."""
        file = self.files.expect(form.get("filename", ""), int(form.get("length") or 0))
        return {"upload_url": f"https://files.slack.com/upload/v1/{file}", "file_id": file}

    def complete_upload(self, form: Form) -> Json:
        """Show uploaded files in a channel."""
        chosen = [self.files.finished(one["id"], one.get("title", "")) for one in json.loads(form.get("files") or "[]")]
        channel = self.channel({"channel": form.get("channel_id", "")})
        check_place(channel, self.me.id)
        self.pace.post(channel.id)
        for file in chosen:
            self.team.tell_file(file["id"])
        words, thread = form.get("initial_comment", ""), form.get("thread_ts") or None
        post = Post(ts=self.team.stamp(), user=self.me.id, text=words, thread=thread, files=chosen)
        self.team.publish(channel, post)
        return {"files": [{"id": file["id"], "title": file["title"]} for file in chosen]}

    def channel(self, form: Form) -> Channel:
        """Return the channel that is meant. Raises RefusedError."""
        return self.team.channel(form.get("channel", ""))

    def _own(self, channel: Channel, form: Form, refusal: str) -> Post:
        post = channel.find(form.get("ts", ""))
        if post.user != self.me.id:
            raise RefusedError(refusal)
        return post

    def _blocks(self, form: Form) -> list[Json]:
        try:
            blocks = json.loads(form.get("blocks") or "[]")
        except ValueError:
            raise RefusedError("invalid_blocks_format") from None
        if not isinstance(blocks, list):
            raise RefusedError("invalid_blocks_format")
        return blocks


def _read(api: Api, form: Form) -> str:
    return "groups:read" if api.channel(form).private else "channels:read"


def _history(api: Api, form: Form) -> str:
    return "groups:history" if api.channel(form).private else "channels:history"


Scope = str | Callable[[Api, Form], str]
_METHODS: dict[str, tuple[Scope, Callable[[Api, Form], Json]]] = {
    "auth.test": ("", Api.auth_test),
    "team.info": ("team:read", Api.team_info),
    "users.info": ("users:read", Api.users_info),
    "bots.info": ("users:read", Api.bots_info),
    "users.conversations": ("channels:read", Api.users_conversations),
    "conversations.info": (_read, Api.conversations_info),
    "conversations.members": (_read, Api.conversations_members),
    "conversations.history": (_history, Api.conversations_history),
    "emoji.list": ("emoji:read", Api.emoji_list),
    "usergroups.list": ("usergroups:read", Api.usergroups_list),
    "chat.postMessage": ("chat:write", Api.post_message),
    "chat.meMessage": ("chat:write", Api.me_message),
    "chat.update": ("chat:write", Api.update),
    "chat.delete": ("chat:write", Api.delete),
    "reactions.add": ("reactions:write", Api.add_reaction),
    "reactions.remove": ("reactions:write", Api.remove_reaction),
    "files.getUploadURLExternal": ("files:write", Api.upload_url),
    "files.completeUploadExternal": ("files:write", Api.complete_upload),
}
