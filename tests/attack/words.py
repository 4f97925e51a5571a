"""What is said: replay, edit and quotation, and words that are meant for something else than the bot's parser."""

import json
import time

from opsbot.model import Json
from tests.attack.attempt import Attempt, Told
from tests.attack.cast import SERVER
from tests.attack.kinds import chat, forged, unheard
from tests.attack.world import World

_DEPLOY = "!deploy web-shop"
_TEXT = {"msgtype": "m.text", "body": _DEPLOY}
_HTML = {"msgtype": "m.text", "body": "lgtm", "format": "org.matrix.custom.html"}
_PROJECT, _REVISION = "There is no project", "A revision is the name of a branch or a tag, or a commit id."
_UNIT = "A unit is named like `nginx` or `nginx.service`."


async def _edited(world: World) -> Told:
    event = (await world.say("deployer", "!hello")).event or ""
    relation = {"rel_type": "m.replace", "event_id": event}
    edit = {"msgtype": "m.text", "body": f"* {_DEPLOY}", "m.new_content": _TEXT, "m.relates_to": relation}
    return await world.quiet(await world.send("deployer", edit))


async def _replayed(world: World) -> Told:
    """The homeserver tells the bot once more what it has answered already."""
    said = await world.say("deployer", "!hello")
    before = said.words.count("\n")
    world.forge(f"@deployer:{SERVER}", "!hello", event_id=said.event)
    await world.quiet("")
    again = world.told_on(await world.lines(), said.event or "")
    return Told(words="" if again.count("\n") == before else again)


def _silent(what: str, content: Json) -> Attempt:
    """A deployer sends what is not for the bot's ears."""
    return unheard(what, "Slack member", "deployer", content)


def _typed(what: str, words: str, refused: str, *, who: str = "deployer") -> Attempt:
    """Somebody who may types what is meant for another parser than the bot's."""
    return chat(what, "Slack member", who, words, refused)


def _escaped(what: str, words: str, never: str) -> Attempt:
    """Words that would be something else where the answer is shown: they come back harmless, or not at all."""

    async def act(world: World) -> Told:
        told = await world.say("deployer", words)
        (event,) = [
            one["content"]
            for one in await world.voices["admin"].events(world.rooms["ops"])
            if one["content"].get("m.relates_to", {}).get("event_id") == told.event and "@opsbot" in one["sender"]
        ]
        harmless = never not in event.get("formatted_body", "") and event.get("m.mentions", {}) == {}
        return Told(words=told.words if harmless else f"It came back: {event}")

    return Attempt(what=what, by="Slack member", act=act, refused=(_PROJECT,))


async def _log_line(world: World) -> Told:
    line = json.dumps({"level": "INFO", "message": "forged", "person": "admin"})
    told = await world.say("deployer", f"!deploy x --reason 'y\n{line}'")
    for row in world.stage.log.read_text(errors="replace").splitlines():
        if json.loads(row)["message"] == "forged":
            return Told(words="the log has a line of the attacker's")
    return told


REPLAYED = (
    Attempt(what="an event is delivered a second time", by="compromised homeserver", act=_replayed, refused=()),
    forged(
        "a command of an hour ago arrives now",
        "compromised bridge",
        f"@deployer:{SERVER}",
        _DEPLOY,
        "Not run: too old.",
        audited="deployer",
        origin_server_ts=int(time.time() - 3600) * 1000,
    ),
    forged(
        "a command of the year 2000",
        "compromised bridge",
        f"@deployer:{SERVER}",
        _DEPLOY,
        "Not run: too old.",
        audited="deployer",
        origin_server_ts=946_684_800_000,
    ),
)

UNHEARD = (
    Attempt(what="an old message is edited into a command", by="Slack member", act=_edited, refused=()),
    _silent("a quotation of somebody's command", {"msgtype": "m.text", "body": f"> <@admin> {_DEPLOY}\n\nlgtm"}),
    _silent("a quotation in HTML", {**_HTML, "formatted_body": f"<blockquote>{_DEPLOY}</blockquote>lgtm"}),
    _silent(
        "a reply that carries the command as its fallback",
        {**_HTML, "formatted_body": f"<mx-reply>{_DEPLOY}</mx-reply>lgtm"},
    ),
    _silent("a command in the plain text under other HTML", {**_HTML, "body": _DEPLOY, "formatted_body": "lgtm"}),
    _silent("an emote", {**_TEXT, "msgtype": "m.emote"}),
    _silent("a file whose name is a command", {**_TEXT, "msgtype": "m.file", "url": "mxc://x/y"}),
    unheard("a notice, as bots send them", "Slack app", "deployer", {**_TEXT, "msgtype": "m.notice"}),
    unheard("an event that says it is encrypted", "Matrix user", "deployer", _TEXT, kind="m.room.encrypted"),
)

INJECTED = (
    _typed("two commands in one message", f"!hello\n{_DEPLOY}", "Nothing of this was run"),
    _typed("a command of the shell as the revision", "!deploy hello-bot $(touch${{IFS}}{pwned})", _REVISION),
    _typed("a second command after a semicolon", "!deploy hello-bot main;touch${{IFS}}{pwned}", _REVISION),
    _typed("the same as two arguments", "!deploy hello-bot main; touch {pwned}", _REVISION),
    _typed("backticks", "!deploy hello-bot `touch,{pwned}`", _REVISION),
    _typed("an option of git as the revision", "!deploy hello-bot --upload-pack=touch", "--upload-pack"),
    _typed("an option of git after --", "!deploy hello-bot -- --upload-pack=touch", _REVISION),
    _typed("a refspec as the revision", "!deploy hello-bot main:refs/heads/main", _REVISION),
    _typed("git's own language as the revision", "!deploy hello-bot main^{{/x}}", _REVISION),
    _typed("a path as the revision", "!deploy hello-bot ../../etc/passwd", _REVISION),
    _typed("a path as the project", "!deploy ../../etc/passwd", _PROJECT),
    _typed("a path as the unit of a log", "!logs ../../etc/shadow", _UNIT),
    _typed("an option of journalctl as the unit", "!logs -- --file=/etc/shadow", _UNIT),
    _typed("a path as the number of a job", "!job ../../etc/passwd", "There is no job"),
    _typed(
        "a unit that the host does not list",
        "!restart sshd.service",
        "This host does not let sshd.service be restarted.",
        who="admin",
    ),
    _typed("a tag of YAML that runs Python", "!deploy '!!python/object/apply:os.system [\"touch {pwned}\"]'", _PROJECT),
    _typed("a name of sixty thousand letters", "!deploy " + "x" * 60_000, "That is too long for a command"),
    _escaped("HTML in a name", "!deploy '<img src=x onerror=alert(1)>'", "<img"),
    _escaped("a link of Markdown in a name", "!deploy '[x](javascript:alert)'", "<a"),
    _escaped("everybody is called (@room)", "!deploy '@room'", "matrix.to"),
    _escaped("escape sequences of a terminal", "!deploy '\x1b]0;x\x07\x1b[31mx'", "\x1b"),
    _escaped("writing from right to left", "!deploy '\u202egnp.exe'", "\u202e"),
    Attempt(what="a line of the log", by="Slack member", act=_log_line, refused=(_PROJECT,)),
)
