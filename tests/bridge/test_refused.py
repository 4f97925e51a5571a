"""Who is not who they seem: each comes through the bridge, or with the bridge's own token, and gets nothing."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
import pytest

from opsbot.demo.speaker import Line
from opsbot.matrix.events import BRIDGE_TYPES
from opsbot.model import Json
from opsbot.workspace.model import Member
from tests.bridge.crossing import SERVER, Crossing, until

pytestmark = [pytest.mark.bridge, pytest.mark.asyncio(loop_scope="session")]

DEPLOY = "!deploy hello-bot"
STRANGER = "I do not know you yet"


def ghost(whole: Crossing, member: Member) -> str:
    """Return the Matrix id of a member's ghost."""
    return f"@slack_{whole.team.id.lower()}-{member.id.lower()}:{SERVER}"


async def as_ghost(whole: Crossing, account: str, method: str, path: str, content: Json) -> Json:
    """Ask the homeserver in a ghost's name, as only the bridge can."""
    headers = {"Authorization": f"Bearer {whole.setup.appservice_token}"}
    url = f"{whole.homeserver.url}/_matrix/client/v3/{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.request(method, url, json=content, params={"user_id": account}) as answer,
    ):
        assert answer.ok, await answer.text()
        return await answer.json()


async def ghost_says(whole: Crossing, account: str, room_id: str, **more: Json) -> str:
    """Say the command as a ghost in a room, with MORE in the event's content."""
    content = {"msgtype": "m.text", "body": DEPLOY, **more}
    path = f"rooms/{quote(room_id)}/send/m.room.message/{uuid.uuid4().hex}"
    return str((await as_ghost(whole, account, "PUT", path, content))["event_id"])


async def answers(whole: Crossing, room_id: str, event_id: str) -> list[Line]:
    """Return what the bot said in the thread on an event."""
    lines = await whole.adam_there.lines(room_id)
    return [line for line in lines if line.thread == event_id and line.sender == whole.opsbot.user_id]


@asynccontextmanager
async def own_room(whole: Crossing) -> AsyncIterator[str]:
    """Make a private room of Adam's with the bot and Dora's ghost in it; nobody is left there afterwards."""
    room_id = await whole.adam_there.create_room(whole.opsbot.user_id, ghost(whole, whole.dora))
    await as_ghost(whole, ghost(whole, whole.dora), "POST", f"rooms/{quote(room_id)}/join", {})

    async def entered() -> bool:
        return room_id in (await whole.opsbot.ask("GET", "joined_rooms"))["joined_rooms"]

    await until(entered, lambda: whole.log.read_text()[-3000:])
    yield room_id
    await whole.opsbot.ask("POST", f"rooms/{quote(room_id)}/leave")


async def test_an_id_that_looks_like_a_deployers_is_a_stranger(whole: Crossing) -> None:
    """A member of Slack with the deployer's name and an id that differs in one sign is nobody."""
    for number, member_id in enumerate(("U0D0RA", "U0DORAA", "W0DORA", "U0DOR")):
        double = whole.team.add_member("Dora", id=member_id)
        whole.ops.members.append(member_id)
        seen = await whole.ask(double, DEPLOY)
        assert (number, STRANGER in seen.text) == (number, True)


async def test_a_name_like_an_admins_is_a_name(whole: Crossing) -> None:
    """Whoever calls themselves as an admin does, in Slack or on Matrix, has no right from it."""
    impostor = whole.team.add_member("Adam", id="U0EVIL")
    whole.ops.members.append(impostor.id)
    assert STRANGER in (await whole.ask(impostor, DEPLOY)).text
    await whole.pia_there.ask("PUT", f"profile/{whole.pia_there.user_id}/displayname", {"displayname": "Adam"})
    portal = await whole.let_pia_in()
    event = await whole.pia_there.say(portal, "!deploy platform")
    await whole.pia_there.ask("PUT", f"profile/{whole.pia_there.user_id}/displayname", {"displayname": "Pia"})

    async def told() -> bool:
        lines = await whole.opsbot.lines(portal)
        return any(line.thread == event and "the platform is for admins" in line.body for line in lines)

    await until(told, lambda: whole.log.read_text()[-3000:])


async def test_a_guest_of_another_workspace_is_a_stranger(whole: Crossing) -> None:
    """A guest has a ghost of our own workspace: who is not in the configuration may do what strangers may."""
    guest = whole.team.add_member("Gus", team="T0GUEST")
    whole.ops.members.append(guest.id)
    assert (await whole.ask(guest, "!hello")).text == "Hello, world!"
    assert STRANGER in (await whole.ask(guest, DEPLOY)).text


async def test_another_face_for_one_message_is_not_heard(whole: Crossing) -> None:
    """A webhook under a deployer's name, and a deployer's ghost that shows another name, are passed over."""
    portal, before = await whole.portal(), len(whole.team.see(whole.ops))
    whole.team.hook(whole.ops, "Dora", DEPLOY)
    profile = {"id": "adam", "displayname": "Adam"}
    await ghost_says(whole, ghost(whole, whole.dora), portal, **{"com.beeper.per_message_profile": profile})
    seen = (await whole.quiet())[before:]
    assert [one.text for one in seen if one.who == "opsbot"] == []


async def test_a_ghost_in_a_room_that_is_no_channels_is_a_stranger(whole: Crossing) -> None:
    """A deployer's ghost that was brought into the team's own room on Matrix is a stranger there."""
    account = ghost(whole, whole.dora)
    await whole.adam_there.invite(whole.room_id, account)
    await as_ghost(whole, account, "POST", f"rooms/{quote(whole.room_id)}/join", {})
    event = await ghost_says(whole, account, whole.room_id)

    async def told() -> bool:
        return any(STRANGER in line.body for line in await answers(whole, whole.room_id, event))

    await until(told, lambda: whole.log.read_text()[-3000:])
    await as_ghost(whole, account, "POST", f"rooms/{quote(whole.room_id)}/leave", {})


async def test_a_room_that_says_it_is_a_channels_is_not_listened_to(whole: Crossing) -> None:
    """Bridge events that somebody puts into a room of their own open nothing: nobody is heard there."""
    portal = await whole.portal()
    state = await whole.opsbot.ask("GET", f"rooms/{quote(portal)}/state")
    true = next(one for one in state if one["type"] == "m.bridge")
    async with own_room(whole) as room_id:
        for kind in BRIDGE_TYPES:
            await whole.adam_there.set_state(room_id, kind, true["content"], key=true["state_key"])
        theirs = await ghost_says(whole, ghost(whole, whole.dora), room_id)
        mine = await whole.adam_there.say(room_id, DEPLOY)
        await whole.ask(whole.alice, "!hello")
        await asyncio.sleep(1)
        assert await answers(whole, room_id, theirs) == []
        assert await answers(whole, room_id, mine) == []


async def test_a_forged_bridge_event_in_a_room_that_is_heard_makes_no_ghost_anybody(whole: Crossing) -> None:
    """Where the bot listens anyway, a forged bridge event makes the room no channel's."""
    portal, account = await whole.portal(), ghost(whole, whole.dora)
    state = await whole.opsbot.ask("GET", f"rooms/{quote(portal)}/state")
    true = next(one for one in state if one["type"] == "m.bridge")
    for kind in BRIDGE_TYPES:
        await whole.adam_there.set_state(whole.room_id, kind, true["content"], key=true["state_key"])
    await whole.adam_there.invite(whole.room_id, account)
    await as_ghost(whole, account, "POST", f"rooms/{quote(whole.room_id)}/join", {})
    event = await ghost_says(whole, account, whole.room_id)

    async def told() -> bool:
        return any(STRANGER in line.body for line in await answers(whole, whole.room_id, event))

    await until(told, lambda: whole.log.read_text()[-3000:])
    await as_ghost(whole, account, "POST", f"rooms/{quote(whole.room_id)}/leave", {})
    for kind in BRIDGE_TYPES:
        await whole.adam_there.set_state(whole.room_id, kind, {}, key=true["state_key"])


async def test_who_left_the_team_is_a_stranger(whole: Crossing) -> None:
    """Who was taken out of the configuration keeps their Slack account and has no right left."""
    lou = whole.team.add_member("Lou")
    whole.ops.members.append(lou.id)
    whole.config["people"]["lou"] = {"level": "admin", "slack": [lou.id]}
    await whole.stop_bot()
    await whole.start_bot()
    assert "lou" in (await whole.ask(lou, "!whoami")).text
    del whole.config["people"]["lou"]
    await whole.stop_bot()
    await whole.start_bot()
    assert STRANGER in (await whole.ask(lou, DEPLOY)).text
