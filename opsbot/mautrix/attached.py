"""Files beside a Slack message, brought to Matrix."""

from collections.abc import Sequence

from opsbot.mautrix.homeserver import Homeserver
from opsbot.mautrix.model import HomeserverError, Json, SlackError
from opsbot.mautrix.slack import Slack

_KINDS = {"image": "m.image", "video": "m.video", "audio": "m.audio"}
_FAILED = "Failed to download file from Slack"


class Attached:
    """Fetches files from Slack and hands them to the homeserver."""

    def __init__(self, home: Homeserver, slack: Slack) -> None:
        self._home = home
        self._slack = slack

    async def beside(self, content: Json, files: Sequence[Json]) -> list[Json]:
        """Return the contents that a text and its files become: one, where one file has the text beside it."""
        parts = [await self._part(file) for file in files if file.get("mode") != "tombstone"]
        if not content["body"]:
            return parts or [content]
        return [_merged(content, parts[0])] if len(parts) == 1 else [content, *parts]

    async def _part(self, file: Json) -> Json:
        name, kind = file["name"], file["mimetype"]
        try:
            brought = await self._slack.fetch(file["url_private"])
            address = await self._home.upload(name, kind, brought)
        except (SlackError, HomeserverError):
            return {"msgtype": "m.notice", "body": _FAILED, "m.mentions": {}}
        info = {"mimetype": kind, "size": len(brought)}
        msgtype = _KINDS.get(kind.partition("/")[0], "m.file")
        return {"msgtype": msgtype, "body": name, "url": address, "info": info, "m.mentions": {}}


def _merged(content: Json, part: Json) -> Json:
    if part["msgtype"] != "m.notice":
        return part | {"filename": part["body"]} | {key: it for key, it in content.items() if key != "msgtype"}
    marked = content.get("formatted_body", content["body"])
    both = {"body": f"{_FAILED}\n\n{content['body']}", "m.mentions": content["m.mentions"]}
    return part | both | {"format": "org.matrix.custom.html", "formatted_body": f"{_FAILED}<br><br>{marked}"}
