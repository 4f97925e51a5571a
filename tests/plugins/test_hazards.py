import pytest

from opsbot.testing import Bench

FAILED = [{"unit": "hello-bot.service", "lines": ["Traceback", "ValueError: no token"]}]


def _hazard(
    old: str, new: str, *, back: bool | None, kind: str = "database", what: str = "Forgejo"
) -> dict[str, object]:
    return {"kind": kind, "what": what, "old": old, "new": new, "back": back}


async def test_a_deploy_that_migrates_a_database_says_so(bench: Bench) -> None:
    """The plan names the database that a rollback will not bring back; the deploy goes on."""
    bench.host.plan["hazards"] = [_hazard("7.0.12", "8.0.3", back=False)]

    answer = await bench.say("admin", "!deploy platform")

    assert "Forgejo, 7.0.12 → 8.0.3: its database migrates, and a rollback will not bring it back" in answer
    assert "runs on `ops-jrz1`: generation 32" in answer


@pytest.mark.parametrize("command", ["!rollback", "!rollback 31", "!rollback hello-bot", "!deploy hello-bot old"])
async def test_going_back_over_a_migrated_database_needs_force(bench: Bench, command: str) -> None:
    """Whatever goes back to an older version of what has migrated is refused with its reason, and done with --force."""
    await bench.say("deployer", "!deploy hello-bot")
    bench.host.plan["hazards"] = [_hazard("8.0.3", "7.0.12", back=True)]

    refused = await bench.say("admin", command)
    forced = await bench.say("admin", f"{command} --force")

    assert "was not activated: it goes back over a database that does not (Forgejo, 8.0.3 → 7.0.12)" in refused
    assert "say `--force`" in refused
    assert "--force on `ops-jrz1`, for admin" in forced
    assert "runs on `ops-jrz1`" in forced


async def test_force_is_for_admins(bench: Bench) -> None:
    """Who may roll back may not therefore roll back over a database."""
    assert "--force needs the level admin" in await bench.say("deployer", "!rollback --force")


async def test_going_back_to_another_kernel_than_the_booted_one_is_refused(bench: Bench) -> None:
    """Another kernel stops a rollback, which would run without its modules; a deploy forward only says so."""
    bench.host.plan["hazards"] = [_hazard("6.6.68", "6.12.1", back=None, kind="kernel", what="the kernel")]
    forward = await bench.say("admin", "!deploy hello-bot")

    back = await bench.say("admin", "!rollback")

    assert "The kernel changes: 6.6.68 → 6.12.1" in forward
    assert "runs on `ops-jrz1`: generation 32" in forward
    assert "it goes back to another kernel than the one that was booted (6.6.68 → 6.12.1)" in back


async def test_what_is_not_undone_by_itself_is_told_loudly(bench: Bench) -> None:
    """A failed proof of what is never undone by itself leaves it running, and names what a person can do."""
    never = "this host's configuration says of hello-bot: never by itself"
    more = {"keeps": never, "faults": ["hello-bot.service has failed"], "failed_units": FAILED, "base_generation": 31}
    bench.host.endings["activate"] = more

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "🚨 " in answer
    assert "runs on `ops-jrz1` as generation 32, but it is NOT proved: hello-bot.service has failed." in answer
    assert f"It was not undone: {never}. A person must decide: `!rollback 31 --force` goes back" in answer
    assert "`!logs hello-bot.service` shows more." in answer
    assert [verb for verb, _ in bench.host.asked if verb in ("revert", "publish")] == ["publish"]
    assert not bench.host.running["proved"]


async def test_what_the_bot_finds_ill_does_not_undo_it_either(bench: Bench) -> None:
    """A service that the bot finds ill is told to the host, which keeps what is never undone by itself."""
    bench.host.endings["activate"] = {"deadline": bench.clock.now().timestamp() + 60, "keeps": "never"}
    bench.host.on_activate = lambda: bench.outside.ill.update({"hello-bot": "Connection refused"})

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "it is NOT proved: hello-bot: Connection refused." in answer


async def test_what_going_back_could_not_take_back_is_told(bench: Bench) -> None:
    """A deploy that was undone after a database may have been migrated says which, and what to do."""
    more = {"why": "Nobody confirmed within 180 s.", "migrated": "Forgejo, 7.0.12 → 8.0.3"}
    bench.host.endings["activate"] = {"status": "reverted", **more}

    answer = await bench.say("admin", "!deploy platform")

    assert "was undone: Nobody confirmed within 180 s." in answer
    assert "a database may have been migrated before (Forgejo, 7.0.12 → 8.0.3): if it does not run, restore" in answer


async def test_what_is_kept_is_confirmed_over_a_new_connection(bench: Bench) -> None:
    """Also what is not proved is kept only by somebody who has come in by the sshd that runs now."""
    bench.host.endings["activate"] = {"keeps": "never", "faults": ["hello-bot.service has failed"]}

    await bench.say("deployer", "!deploy hello-bot")

    verbs = [verb for verb, _ in bench.host.asked]
    assert verbs.index("close") < verbs.index("confirm")
