import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.errors import ConfigError
from opsbot.hooks import Hooks
from opsbot.plugins import load
from opsbot.testing import Bench
from opsbot.testing.bench import ROOM, SECRET
from opsbot.triggers.signed import signature

FORGE = '''
from opsbot import Delivery, OpsbotError, UsageError, hook


@hook
async def pushed(ctx: Delivery) -> str | None:
    """Say who pushed."""
    if ctx.event != "push":
        return None
    try:
        return f"{ctx.json()['pusher']} pushed."
    except (KeyError, TypeError):
        raise UsageError("A push has a pusher.") from None


@hook(name="count-calls")
async def count(ctx: Delivery) -> str:
    """Count the calls."""
    calls = await ctx.storage.update("calls", lambda before: before + 1, 0)
    return f"{calls} {sorted(ctx.headers)} {ctx.body.decode()}"


@hook
async def broken() -> str:
    """Break."""
    return str(1 / 0)


@hook
async def refused() -> str:
    """Find that something is wrong."""
    raise OpsbotError("The kettle is away.")
'''
PUSH = {"pusher": "eve"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plugin that has hooks."""
    made = tmp_path / "mine"
    made.mkdir()
    (made / "forge.py").write_text(FORGE)
    return made


@pytest.fixture
async def bench(tmp_path: Path, folder: Path) -> AsyncIterator[Bench]:
    """A bot with that plugin."""
    async with Bench.open(tmp_path, folder) as opened:
        yield opened


async def test_a_hook_speaks_in_its_room(bench: Bench) -> None:
    """What a hook returns is posted; what it has nothing to say about is taken, and nothing is posted."""
    posted = await bench.post("pushed", PUSH, event="push")
    assert (posted.status, posted.sentence, posted.said) == (200, "It is said.", "eve pushed.")

    posted = await bench.post("pushed", PUSH, event="fork")
    assert (posted.status, posted.sentence, posted.said) == (200, "There is nothing to say about it.", "")


async def test_a_delivery_that_is_repeated_is_seen_through_once(bench: Bench) -> None:
    """A sender that repeats a delivery gets the same status; the plugin is not called, and nothing is said twice."""
    first = await bench.post("count-calls", 1, delivery="d1")
    again = await bench.post("count-calls", 1, delivery="d1")
    other = await bench.post("count-calls", 1, delivery="d2")

    assert (first.status, again.status, again.said) == (200, 200, "")
    assert again.sentence == "This was delivered before; nothing is done again."
    assert (first.said[0], other.said[0]) == ("1", "2")


async def test_a_delivery_that_comes_twice_at_once_is_seen_through_once(bench: Bench) -> None:
    """Two of one name at the same time wait for each other; those without a name are all different."""
    await asyncio.gather(*(bench.post("count-calls", 1, delivery="d1") for _ in range(5)))
    await asyncio.gather(*(bench.post("count-calls", 1) for _ in range(5)))

    assert (await bench.post("count-calls", 1)).said[0] == "7"


async def test_a_program_of_ones_own_may_use_a_token(bench: Bench) -> None:
    """The secret as a bearer token opens a hook, and Idempotency-Key names a delivery; a plugin sees no proof."""
    headers = {"authorization": f"Bearer {SECRET}", "idempotency-key": "backup-1", "x-more": "1"}

    first = await bench.post("count-calls", b"done", headers=headers)
    again = await bench.post("count-calls", b"done", headers=headers)

    assert first.said == "1 ['idempotency-key', 'x-more'] done"
    assert again.said == ""


SIGNED = signature(b"x", SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forgejo-signature": SIGNED},
        {"x-gitea-signature": SIGNED, "x-gogs-signature": SIGNED},
        {"x-hub-signature-256": f"sha256={SIGNED}"},
        {"x-hub-signature-256": f"sha256={SIGNED.upper()}", "authorization": "Basic x"},
        {"authorization": f"bearer {SECRET}"},
    ],
)
async def test_each_forge_signs_in_its_way(bench: Bench, headers: dict[str, str]) -> None:
    """Forgejo's, Gitea's and GitHub's signatures are known."""
    assert (await bench.post("count-calls", b"x", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-forgejo-signature": ""},
        {"x-forgejo-signature": signature(b"y", SECRET)},
        {"x-forgejo-signature": signature(b"x", SECRET + "x")},
        {"x-forgejo-signature": SIGNED, "x-gitea-signature": "0" * 64},
        {"x-forgejo-signature": "ä\udc80", "authorization": f"Bearer {SECRET}"},
        {"x-hub-signature": f"sha1={SIGNED}"},
        {"authorization": SECRET},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {SECRET} {SECRET}"},
    ],
)
async def test_without_the_secret_nothing_is_done(bench: Bench, headers: dict[str, str]) -> None:
    """No proof, a wrong one, or a wrong one beside a right one: 401, and the plugin is not called."""
    posted = await bench.post("count-calls", b"x", headers=headers)

    assert (posted.status, posted.sentence) == (401, "Neither a right signature nor the right token.")
    assert (await bench.post("count-calls", b"x")).said[0] == "1"


async def test_strangers_do_not_fill_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Calls without the secret leave one line a minute, with nothing of what they said."""
    with caplog.at_level(logging.INFO, "opsbot"):
        for number in range(50):
            await bench.post("pushed", f"x{number}", headers={"authorization": f"Bearer {number}"})

    ours = [record for record in caplog.records if record.name.startswith("opsbot")]
    assert [(record.message, vars(record)["hook"]) for record in ours] == [("hook refused", "pushed")]


async def test_a_hook_answers_only_if_it_is_granted(tmp_path: Path, folder: Path) -> None:
    """A hook that the configuration does not name is the same as none: 404, whatever the caller knows."""
    granted = {"pushed": {"room": ROOM, "secret_file": "hook"}}
    async with Bench.open(tmp_path, folder, hooks=granted) as bench:
        assert (await bench.post("pushed", PUSH, event="push")).status == 200
        answers = [await bench.post(name, PUSH) for name in ("count-calls", "no-such-hook")]

        assert [(one.status, one.said) for one in answers] == [(404, "")] * 2
        assert len({one.sentence for one in answers}) == 1


async def test_a_hook_of_no_plugin_is_told(tmp_path: Path, folder: Path) -> None:
    """A hook that is granted and that no plugin has is named to admins, with the nearest one, and answers 404."""
    granted = {"pusehd": {"room": ROOM, "secret_file": "hook"}}
    async with Bench.open(tmp_path, folder, hooks=granted) as bench:
        assert (await bench.post("pusehd", PUSH)).status == 404
        assert "No plugin has the hook pusehd of `hooks`. Did you mean `pushed`?" in await bench.say("admin", "!help")


@pytest.mark.parametrize("body", [b"", b"no json", b"[" * 100_000, b"9" * 5000, b"\xff", b"[]", b"{}"])
async def test_a_body_that_is_not_understood_is_told(bench: Bench, body: bytes) -> None:
    """A body that the plugin does not understand is answered with 400 and its sentence; nothing is posted."""
    posted = await bench.post("pushed", body, event="push")

    assert posted.status == 400
    assert posted.sentence in {"The body is not JSON.", "A push has a pusher."}
    assert posted.said == ""


async def test_a_form_may_hold_the_json(bench: Bench) -> None:
    """A forge that sends forms is understood as well, and so is JSON that is only called a form, as curl does."""
    body = b"payload=%7B%22pusher%22%3A+%22eve%22%7D"
    headers = {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "x-hub-signature-256": f"sha256={signature(body, SECRET)}",
        "x-github-event": "push",
    }
    assert (await bench.post("pushed", body, headers=headers)).said == "eve pushed."
    plain = {**headers, "x-hub-signature-256": signature(b'{"pusher": "a=b&c"}', SECRET)}
    assert (await bench.post("pushed", b'{"pusher": "a=b&c"}', headers=plain)).said == "a=b&c pushed."


@pytest.mark.parametrize("pusher", ["<b>eve</b> & `x`\u202e", "!slack delete-portal", " !admin users"])
async def test_what_others_wrote_is_only_words(bench: Bench, pusher: str) -> None:
    """HTML of a body is escaped, and words that would be a command to the bridge do not begin the message."""
    posted = await bench.post("pushed", {"pusher": pusher}, event="push")

    html = await bench.database.read(lambda c: c.exec_driver_sql("SELECT html FROM outbox").scalar_one())
    assert "<b>" not in html
    assert "\u202e" not in html
    assert not posted.said.lstrip().startswith("!")


async def test_a_hook_that_breaks_may_be_called_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A fault is answered with 500 and where in the log it is; nothing is posted, and the sender may try again."""
    with caplog.at_level(logging.ERROR, "opsbot"):
        answers = [await bench.post("broken", PUSH, delivery="d1") for _ in range(2)]

    assert [one.status for one in answers] == [500, 500]
    assert vars(caplog.records[0])["reference"] in answers[0].sentence
    assert (await bench.post("refused", PUSH)).sentence == "The kettle is away."


async def test_a_room_that_is_not_known_yet_makes_the_sender_wait(tmp_path: Path, folder: Path) -> None:
    """While nobody knows which room an alias is, the answer is 503; sent again later, it is said once."""
    granted = {"count-calls": {"room": "#ops:example.org", "secret_file": "hook"}}
    async with Bench.open(tmp_path, folder, rooms=["#ops:example.org"], hooks=granted) as bench:
        bench.chat.away = True
        assert (await bench.post("count-calls", 1, delivery="d1")).status == 503
        bench.chat.away = False
        assert (await bench.post("count-calls", 1, delivery="d1")).said[0] == "1"


async def test_a_flood_does_not_pile_up(bench: Bench) -> None:
    """Of more deliveries at once than may wait, the rest is told to come again later."""
    answers = await asyncio.gather(*(bench.post("count-calls", 1) for _ in range(60)))

    taken = [one for one in answers if one.status == 200]
    assert {one.status for one in answers} == {200, 503}
    assert (await bench.post("count-calls", 1)).said.split()[0] == str(len(taken) + 1)


async def test_a_secret_that_can_be_guessed_is_refused(bench: Bench) -> None:
    """A secret of less than 16 characters ends the start, with what to do."""
    with pytest.raises(ConfigError, match=r"hooks.pushed: its secret is too short; make one with"):
        Hooks(bench.site, {"pushed": "123456789012345"})


def test_a_hook_has_no_other_parameter(tmp_path: Path) -> None:
    """A parameter that nobody fills is an error when the plugin loads."""
    (tmp_path / "mine.py").write_text('from opsbot import hook\n\n@hook\nasync def x(body):\n    """X."""\n')

    assert "x: nobody gives it body; its only parameter may be `ctx`." in load(tmp_path).problems[0]
