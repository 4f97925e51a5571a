import pytest

from tests.system.platform import opsbot, settings
from tests.system.world import World

pytestmark = pytest.mark.system

#: A bot that has one table and one column more, and writes both.
NEWER = {
    "lib/opsbot/__init__.py": ('__version__ = "', '__version__ = "9.'),
    "lib/opsbot/onhost/__init__.py": ('VERSION = "', 'VERSION = "9.'),
    "lib/opsbot/store/schema.py": (
        "#: What plugins remember",
        'audit.append_column(Column("mood", String, nullable=False, server_default="fine"))\n#: What plugins remember',
    ),
}


def everything(world: World) -> dict[str, str]:
    """Return the changes of a platform that restarts all that a deploy relies on."""
    units = ("opsbot-prepare@.service", "opsbot-activate@.service", "opsbot-publish@.service")

    changed = {name: world.unit(name) + "Environment=NEW=1\n" for name in units}
    changed["matrix-synapse.service"] = world.unit("matrix-synapse.service") + "Environment=NEW=1\n"
    changed["sshd.service"] = world.unit("sshd.service") + "Environment=NEW=1\n"
    adapted = {"systemd-journald.service": "\n[Service]\nX-StopIfChanged=false\nEnvironment=NEW=1\n"}
    return {
        **{f"etc/systemd/system/{name}": text for name, text in changed.items()},
        "etc/systemd/system.conf": "[Manager]\nDefaultTimeoutStartSec=77s\n",
        # One of its units goes altogether.
        **settings(adapted=adapted, without=["systemd/system/opsbot-revert@.service"]),
    }


WATCHED = ("opsbot.service", "matrix-synapse.service", "sshd.service", "systemd-journald.service")


async def test_a_deploy_may_restart_all_that_it_relies_on(world: World) -> None:
    """Newer bot, homeserver, sshd, systemd and journald are started anew and our own units change: one true end."""
    world.commit("opsbot", "Release 9", opsbot(NEWER))
    wanted = world.bring("Everything anew", everything(world), "opsbot")
    before = {unit: world.process(unit) for unit in WATCHED}
    told = await world.deploy("!deploy platform", 1)
    assert f"platform {wanted[:7]} runs on `ops-jrz1`: generation 2" in told
    assert all(world.process(unit) not in (before[unit], "0") for unit in WATCHED)
    assert world.debian.said("systemctl", "show", "--property=DefaultTimeoutStartUSec", "--value") == "1min 17s"
    assert world.running() == world.default() == world.boots()
    assert "9." in world.debian.said("opsbot-host", "--version")
    assert world.debian.said("systemctl", "list-timers", "--all", "opsbot-*", "--no-legend") == ""
    assert world.debian.said("systemctl", "list-units", "opsbot-*@*", "--no-legend", "--plain") == ""


#: The newer bot, which moreover never comes to give its word.
MUTE = {
    **NEWER,
    "lib/opsbot/jobs/activation.py": (
        "        verdict = await _verdict(work, state, before, touched)\n",
        "        verdict = await _verdict(work, state, before, touched)\n        await asyncio.sleep(3600)\n",
    ),
}


async def test_an_older_bot_finishes_what_a_newer_one_began(world: World) -> None:
    """A newer bot that is undone in the middle of its own deploy leaves a job that the older one ends."""
    before = world.running()
    world.window(30)
    world.commit("opsbot", "Release 9", opsbot(MUTE))
    await world.say("admin", "!deploy opsbot")
    await world.until(lambda lines: any("▶ prove" in line.body for line in lines))
    assert "9." in world.debian.said("opsbot-host", "--version")
    columns = "import sqlite3; print([row[1] for row in sqlite3.connect(DB).execute('pragma table_info(audit)')])"
    database = "'/var/lib/opsbot-bot/opsbot.db'"
    assert "mood" in world.debian.said("python3", "-c", columns.replace("DB", database))
    # With it dies the process that waits for its word: only the timer is left.
    world.debian.run("systemctl", "kill", "--signal=KILL", "opsbot-activate@*.service")
    told = await world.end(1)
    assert "was undone: Nobody confirmed in time. `ops-jrz1` runs what it ran before." in told
    assert world.running() == world.default() == world.boots() == before
    assert "9." not in world.debian.said("opsbot-host", "--version")
    assert "Hello, world!" in await world.answer("member", "!hello")
    lines = await world.lines()
    assert len([line for line in lines if "deploy opsbot" in line.body and line.sender.startswith("@opsbot")]) == 1
