import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.demo.speaker import Speaker
from opsbot.errors import ConfigError
from opsbot.matrix.edge import LockedOutError
from opsbot.matrix.settings import MatrixSettings
from tests.matrix.bot import opened, running
from tests.matrix.conftest import Place


@pytest.fixture
def by_password(place: Place) -> MatrixSettings:
    """The bot's settings with a password in place of a token."""
    file = place.folder / "password"
    file.write_text("password\n")
    return replace(place.settings, token_file=None, password_file=file, user_id=place.bot_id)


async def devices(place: Place) -> set[str]:
    """Return the devices of the bot's account."""
    listed = await (await place.as_bot()).ask("GET", "devices")
    return {device["device_id"] for device in listed["devices"]}


async def test_a_password_is_used_once(place: Place, by_password: MatrixSettings) -> None:
    """With a password the bot logs in once and keeps its device and token for every later start."""
    before = await devices(place)
    for _ in range(2):
        async with running(place.folder, by_password) as bot:
            await bot.edge.ready.wait()
            assert bot.edge.user_id == place.bot_id
    assert len(await devices(place) - before) == 1


async def test_the_token_of_a_login_is_a_secret_too(place: Place, by_password: MatrixSettings) -> None:
    """The log learns the token that a password brought, which stands in no file, so that it can mask it."""
    secrets: list[str] = []
    async with running(place.folder, by_password, on_secret=secrets.append) as bot:
        await bot.edge.ready.wait()
        assert any(secret.startswith("syt_") for secret in secrets)


async def test_a_lost_token_is_made_anew_by_password(place: Place, by_password: MatrixSettings) -> None:
    """With a password a refused token is replaced without anybody's help, on the same device."""
    async with running(place.folder, by_password) as bot:
        await bot.edge.ready.wait()
        mine = await devices(place)
        me = await place.as_bot()
        content = {"auth": {"type": "m.login.password", "user": place.bot_id, "password": "password"}}
        for device in mine - {(await me.ask("GET", "account/whoami"))["device_id"]}:
            await me.ask("DELETE", f"devices/{device}", content)
        await place.ada.say(place.room_id, "!hello")
        await bot.heard("!hello")
        assert await devices(place) == mine


async def test_an_idle_bot_stops_when_its_token_is_refused(place: Place) -> None:
    """A bot that nobody needs now stops with a sentence that says what to do."""
    async with opened(place.folder, place.settings) as bot:
        running_edge = asyncio.create_task(bot.edge.run())
        await bot.edge.ready.wait()
        await (await place.as_bot()).ask("POST", "logout")
        with pytest.raises(LockedOutError, match="does not accept the bot's access token"):
            await running_edge


async def test_a_busy_bot_goes_on_when_its_token_is_refused(place: Place) -> None:
    """While a job is open the bot keeps trying, and takes a new token as soon as there is one."""

    async def busy() -> bool:
        return True

    settings = replace(place.settings, refused_wait=0.1)
    async with running(place.folder, settings, busy=busy) as bot:
        await bot.edge.ready.wait()
        await (await place.as_bot()).ask("POST", "logout")
        name = place.bot_id.partition(":")[0].removeprefix("@")
        login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": name}, "password": "password"}
        fresh = (await place.ada.ask("POST", "login", login))["access_token"]
        assert place.settings.token_file is not None
        place.settings.token_file.write_text(fresh)
        await place.ada.say(place.room_id, "!hello")
        await bot.heard("!hello")


async def test_a_token_of_somebody_else_is_noticed(place: Place) -> None:
    """A token that belongs to another account than the configured one is a mistake in the configuration."""
    async with opened(place.folder, replace(place.settings, user_id="@other:test.local")) as bot:
        with pytest.raises(ConfigError, match=r"not to @other:test\.local"):
            await bot.edge.run()


@pytest.mark.parametrize("words", [None, ""], ids=["missing", "empty"])
async def test_a_bot_without_a_secret_does_not_start(place: Place, words: str | None) -> None:
    """A token file that is missing or empty is told before anything is tried."""
    file = place.folder / "nothing"
    if words is not None:
        file.write_text(words)
    with pytest.raises(ConfigError, match="nothing"):
        async with opened(place.folder, replace(place.settings, token_file=file)):
            pass


async def test_a_wrong_password_is_told(place: Place, by_password: MatrixSettings) -> None:
    """A password that the homeserver refuses stops the bot with a sentence."""
    assert isinstance(by_password.password_file, Path)
    by_password.password_file.write_text("wrong")
    async with opened(place.folder, by_password) as bot:
        with pytest.raises(LockedOutError, match="does not let the bot log in"):
            await bot.edge.run()


async def test_speakers_are_people(place: Place) -> None:
    """The small client of demo and tests sees what a person would."""
    assert isinstance(place.ada, Speaker)
    line = await place.ada.say(place.room_id, "hello", html="<b>hello</b>")
    assert [seen.event_id for seen in await place.ada.lines(place.room_id)] == [line]
