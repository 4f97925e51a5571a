import asyncio

import pytest

from opsbot.bridge.provisioning import Provisioning
from opsbot.standin.samples import project
from opsbot.workspace.team import Seen
from tests.bridge.crossing import SERVER, Crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]


async def requested(whole: Crossing, *, version: str) -> tuple[str, Seen]:
    """Let Pia ask in Slack for what needs somebody's word; return her message, and the request as Slack shows it."""
    assert whole.machine is not None
    whole.machine.repositories.projects["web-shop"].commit("Sell more", project("web-shop", version, tested=False))
    ts = whole.team.say(whole.pia, whole.ops, "!deploy web-shop")
    request = await whole.answer(ts, holds=lambda one: one.text.startswith("✋"), within=90)
    return ts, request


async def refused(whole: Crossing, ts: str, *, times: int) -> None:
    """Wait until it was said so often in a thread that somebody else must agree."""

    def said() -> list[Seen]:
        return [one for one in whole.told(ts) if "somebody else must agree" in one.text]

    async def enough() -> bool:
        return len(said()) == times

    await until(enough, lambda: "\n".join(map(str, whole.told(ts))) + whole.log.read_text()[-3000:])
    assert all("dora" in one.text and "adam" in one.text for one in said())


async def newest_request(whole: Crossing, portal: str) -> str:
    """Return the event of the newest request."""
    lines = await whole.opsbot.lines(portal)
    return next(line.event_id for line in reversed(lines) if line.body.startswith("✋"))


async def sign(whole: Crossing, portal: str, event: str, key: str) -> None:
    """React to an event with Pia's account on Matrix."""
    relation = {"rel_type": "m.annotation", "event_id": event, "key": key}
    await whole.pia_there.send(portal, {"m.relates_to": relation}, kind="m.reaction")


async def become_puppet(whole: Crossing, portal: str) -> None:
    """Log Pia in with the bridge as a member of Slack, and let it speak with her own account."""
    bot_token, app_token = whole.workspace.tokens_of(whole.pia)
    api = Provisioning(whole.setup.url, whole.setup.provisioning_secret, f"@pia:{SERVER}")
    await api.log_in(bot_token=bot_token, app_token=app_token)
    await whole.pia_there.say(portal, f"!slack login-matrix {whole.pia_token}")

    async def shown() -> bool:
        whole.team.say(whole.pia, whole.ops, "Is it me?")
        await asyncio.sleep(0.5)
        lines = await whole.opsbot.lines(portal)
        return any(line.body == "Is it me?" and line.sender == whole.pia_there.user_id for line in lines)

    await until(shown, whole.bridge_words)


async def test_another_member_agrees_in_slack_and_nobody_agrees_with_themselves(whole: Crossing) -> None:
    """What one member of Slack asks for runs when another reacts with ✅ there; a person's other account is no other.

    Ghost, account on Matrix and double puppet are one person: each of them is told that somebody else must agree.
    """
    portal = await whole.let_pia_in()
    ts, request = await requested(whole, version="2.4")
    event = await newest_request(whole, portal)

    whole.team.react(whole.pia, whole.ops, request.ts, "white_check_mark")
    await refused(whole, ts, times=1)
    await sign(whole, portal, event, "✅")
    await refused(whole, ts, times=2)
    await become_puppet(whole, portal)
    whole.team.react(whole.pia, whole.ops, request.ts, "white_check_mark::skin-tone-3")
    await refused(whole, ts, times=3)

    whole.team.react(whole.dora, whole.ops, request.ts, "white_check_mark::skin-tone-4")
    await whole.answer(ts, holds=lambda one: "for pia: dora agreed." in one.text)
    report = await whole.answer(ts, holds=lambda one: "runs on `ops-jrz1`: generation" in one.text, within=90)
    assert "dora agreed" in report.text


async def test_a_double_puppet_has_the_rights_of_its_person(whole: Crossing) -> None:
    """What Pia types in Slack comes from her own account on Matrix: it is her all the same, answered in Slack."""
    portal = await whole.portal()
    assert "pia" in (await whole.ask(whole.pia, "!whoami")).text
    said = [line for line in await whole.opsbot.lines(portal) if line.body == "!whoami"]
    assert said[-1].sender == whole.pia_there.user_id


async def test_what_is_asked_on_one_side_is_taken_back_on_the_other(whole: Crossing) -> None:
    """❌ from the very person who asked takes the request back, whichever account it comes from."""
    portal = await whole.portal()
    ts, _ = await requested(whole, version="2.5")
    await sign(whole, portal, await newest_request(whole, portal), "❌\ufe0f")
    await whole.answer(ts, holds=lambda one: "pia said no" in one.text, within=60)
