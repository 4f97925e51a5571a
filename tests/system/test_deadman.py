from collections.abc import Callable

import pytest

from tests.system.debian import until
from tests.system.platform import FIREWALL, hello_bot, opsbot, sshd_config
from tests.system.world import World

pytestmark = pytest.mark.system

_WINDOW = 30
#: Why a deploy is undone: a check of the host's, the bot that speaks to nobody, or a host that hears of nobody.
_HELLO = "http://127.0.0.1:8000/ was well before and is not now"
_SILENCE = "no message got through to the room"
_ALONE = f"Nobody confirmed within {_WINDOW} s."


def _no_way_through(world: World) -> dict[str, str]:
    del world
    return {"etc/nftables.conf": FIREWALL.replace('    iif "lo" accept\n', "").replace("8008", "8009")}


def _no_address(world: World) -> dict[str, str]:
    unit = world.unit("network-addresses.service").replace("192.0.2.2/24", "192.0.2.99/24")
    return {"etc/systemd/system/network-addresses.service": unit}


def _no_sshd(world: World) -> dict[str, str]:
    del world
    # sshd takes it and nobody comes in any more: the bot's user is not among those who may.
    return {"etc/ssh/sshd_config": sshd_config("AllowUsers git\n")}


def _no_token(world: World) -> dict[str, str]:
    unit = world.unit("opsbot.service").replace("secrets/matrix-token", "secrets/stale-token")
    return {"etc/systemd/system/opsbot.service": unit}


def _no_homeserver(world: World) -> dict[str, str]:
    unit = world.unit("matrix-synapse.service").replace("homeserver.yaml", "elsewhere.yaml")
    return {"etc/systemd/system/matrix-synapse.service": unit}


Cut = Callable[[World], dict[str, str]]

#: What a deploy breaks, and what the bot tells of it afterwards.
CUTS: dict[str, tuple[Cut, tuple[str, ...]]] = {
    "the firewall lets nothing through": (_no_way_through, (_HELLO,)),
    "the address of the host changes": (_no_address, (_SILENCE, _ALONE)),
    "sshd lets nobody in": (_no_sshd, (_ALONE,)),
    "the homeserver does not take the bot's token": (_no_token, (_SILENCE, _ALONE)),
    "the homeserver does not start": (_no_homeserver, (_SILENCE, _ALONE)),
}


@pytest.mark.parametrize(("cut", "why"), CUTS.values(), ids=CUTS)
async def test_what_cuts_the_host_off_is_undone_by_the_host(world: World, cut: Cut, why: tuple[str, ...]) -> None:
    """A deploy after which nobody is heard any more is undone, also by the host alone, and the bot tells of it."""
    before = world.running()
    world.debian.run("sh", "-c", "echo syt_stale > /etc/opsbot/secrets/stale-token")
    world.window(_WINDOW)
    world.change("Cut it off", cut(world))
    told = await world.deploy("!deploy platform", 1, within=240)
    assert "was undone: " in told
    assert any(words in told for words in why)
    assert world.running() == world.default() == world.boots() == before
    assert "Hello, world!" in await world.answer("member", "!hello")


async def test_a_bot_that_does_not_start_is_undone_by_the_host(world: World) -> None:
    """A newer bot that dies at its start is undone, and the older one tells of it."""
    before = world.running()
    dead = {"lib/opsbot/app.py": ("import asyncio\n", "import asyncio\nimport nothing_of_that_name\n")}
    world.commit("opsbot", "Release 9", opsbot(dead))
    told = await world.deploy("!deploy opsbot", 1)
    assert "was undone: opsbot.service" in told
    assert world.running() == world.default() == world.boots() == before


async def test_after_a_power_cut_the_former_system_boots(world: World) -> None:
    """When the power goes between the activation and the commit, the host comes up in the former system and says so."""
    before = world.running()
    world.commit("hello-bot", "Greet more warmly", hello_bot("1.1"))
    await world.say("admin", "!deploy hello-bot")
    until(lambda: world.running() != before, "the new system runs")
    world.debian.power_cut()
    world.debian.boot()
    told = await world.end(1)
    assert "was undone: `ops-jrz1` was rebooted before the commit, and runs what it ran before." in told
    assert world.running() == world.default() == world.boots() == before
    assert world.greeting() == "hello-bot 1.0"
