import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsbot.testing import Bench
from opsbot.words import NO, YES

TWO_DEPLOYERS = {
    name: {"level": level, "accounts": [f"@{name}:example.org"]}
    for name, level in (
        ("admin", "admin"),
        ("deployer", "deployer"),
        ("second", "deployer"),
        ("contributor", "contributor"),
        ("member", "member"),
    )
}
DEPLOYER = {"people": TWO_DEPLOYERS, "approvals": {"deploy": "deployer", "risky": "admin"}}


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bot that wants a deployer's word for each deploy, and an admin's where it is risky."""
    async with Bench.open(tmp_path, **DEPLOYER) as opened:
        yield opened


def requests(bench: Bench) -> list[str]:
    """Return the keys of the messages that ask for a word."""
    return [key for key in bench.room if re.search(r":consent:[0-9a-f]+$", key)]


async def test_a_deploy_waits_for_somebody_elses_word(bench: Bench) -> None:
    """The request shows what would be done and who may agree; when somebody does, the job goes on."""
    asked = await bench.say("deployer", "!deploy hello-bot --reason it was time")

    assert "waits for somebody's word." in asked
    assert "May agree: admin, second." in asked
    assert "restart: hello-bot.service" in asked
    assert "Reason: it was time" in asked
    assert f"{YES} here or `!approve 1`" in asked
    assert bench.host.activations == []

    told = await bench.say("second", "!approve 1 looks good")

    assert "You agreed to #1 deploy hello-bot main on `ops-jrz1`, for deployer." in told
    assert "second agreed: looks good" in told
    assert "runs on `ops-jrz1`: generation 32" in told
    assert len(bench.host.activations) == 1


async def test_a_word_that_does_not_count_is_a_no_in_the_audit(bench: Bench) -> None:
    """What a command refuses by itself stands in the audit as a no with its reason, as what the policy refuses."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!approve 1")
    lines = [line for line in await bench.site.audit.after(0) if line.what == "approve 1"]
    assert [(line.person, line.allowed, line.reason) for line in lines] == [
        ("deployer", False, "somebody else must agree: admin, second.")
    ]


async def test_a_reaction_is_a_word(bench: Bench) -> None:
    """✅ on the request agrees, ❌ says no; a reaction to anything else means nothing."""
    await bench.say("deployer", "!deploy hello-bot")
    (request,) = requests(bench)

    assert await bench.say("second", YES, reacts_to="j1:report") == ""
    assert "runs on `ops-jrz1`" in await bench.say("second", YES, reacts_to=request)

    await bench.say("deployer", "!deploy web-shop")
    assert "was not activated: second said no." in await bench.say("second", NO, reacts_to=requests(bench)[1])
    assert len(bench.host.activations) == 1


async def test_who_asked_cannot_agree(bench: Bench) -> None:
    """The word is somebody else's, whichever account or sign it comes by."""
    await bench.say("deployer", "!deploy hello-bot")

    assert "No: somebody else must agree: admin, second." in await bench.say("deployer", "!approve 1 I am sure")
    assert "No: somebody else must agree" in await bench.say("deployer", YES, reacts_to=requests(bench)[0])
    assert bench.host.activations == []


async def test_two_accounts_of_one_person_are_one_person(tmp_path: Path) -> None:
    """Who asks by one account cannot agree by another."""
    people = TWO_DEPLOYERS | {"deployer": {"level": "deployer", "accounts": ["@deployer:example.org", "@eve:else.org"]}}
    async with Bench.open(tmp_path, **DEPLOYER | {"people": people}) as bench:
        await bench.say("deployer", "!deploy hello-bot")
        assert "No: somebody else must agree" in await bench.say("@eve:else.org", "!approve 1")
        assert bench.host.activations == []


@pytest.mark.parametrize("who", ["contributor", "member", "@mallory:example.org"])
async def test_who_has_not_the_level_cannot_agree(bench: Bench, who: str) -> None:
    """Neither a level below the one that is asked for nor a stranger agrees, or says no."""
    await bench.say("deployer", "!deploy hello-bot")

    assert "No: this needs the" in await bench.say(who, "!approve 1")
    assert "No: this needs the" in await bench.say(who, "!deny 1")
    assert bench.host.activations == []
    assert "runs on" in await bench.say("second", "!approve 1")


async def test_who_agrees_must_have_the_rights_to_do_it(tmp_path: Path) -> None:
    """A deployer of other projects only cannot agree to this one."""
    people = TWO_DEPLOYERS | {"second": TWO_DEPLOYERS["second"] | {"projects": ["web-shop"]}}
    async with Bench.open(tmp_path, **DEPLOYER | {"people": people}) as bench:
        assert "May agree: admin." in await bench.say("deployer", "!deploy hello-bot")
        told = await bench.say("second", "!approve 1")
        assert "No: who agrees must have the rights to do it: second is deployer for web-shop" in told
        assert bench.host.activations == []


async def test_what_is_risky_needs_more(bench: Bench) -> None:
    """A plan that restarts the homeserver needs an admin's word, and says why."""
    units = {"stop": [], "start": [], "restart": ["hello-bot.service", "conduwuit.service"], "reload": []}
    bench.host.plan = {"units": units}

    asked = await bench.say("deployer", "!deploy hello-bot")

    assert "Because it restarts the homeserver." in asked
    assert "May agree: admin." in asked
    assert "No: this needs the word of the level admin; second is deployer." in await bench.say("second", "!approve 1")
    assert "admin agreed." in await bench.say("admin", "!approve 1")
    assert len(bench.host.activations) == 1


async def test_outside_of_the_hours_everything_is_risky(tmp_path: Path) -> None:
    """At other hours than the configured ones an admin must agree."""
    approvals = {"risky": "admin", "hours": "mon-fri 13:00-17:00"}
    async with Bench.open(tmp_path, people=TWO_DEPLOYERS, approvals=approvals) as bench:
        asked = await bench.say("deployer", "!deploy hello-bot")
        assert "Because it is outside of mon-fri 13:00-17:00." in asked
        await bench.say("admin", "!approve 1")
        bench.clock.pass_time(3600)
        assert "runs on `ops-jrz1`" in await bench.say("deployer", "!deploy web-shop")


async def test_somebody_may_say_no(bench: Bench) -> None:
    """`!deny` ends the job with the reason; nothing is activated, and a later yes changes nothing."""
    await bench.say("deployer", "!deploy hello-bot")

    told = await bench.say("second", "!deny 1 not on a Friday")

    assert "was not activated: second said no: not on a Friday." in told
    assert "#1 does not wait for anybody's word." in await bench.say("admin", "!approve 1")
    assert bench.host.activations == []


async def test_a_request_expires(bench: Bench) -> None:
    """Nobody's word in time ends the job; it is reminded of once before that."""
    await bench.say("deployer", "!deploy hello-bot")
    bench.clock.pass_time(1000)
    await bench.settle()
    bench.clock.pass_time(1000)
    await bench.settle()
    reminders = [words for key, words in bench.room.items() if key.endswith(":reminder")]
    assert reminders == ["✋ #1 still waits for the word of admin or second."]

    bench.clock.pass_time(3600)
    while (await bench.site.ledger.job("1")).outcome is None:  # type: ignore[union-attr]
        await bench.settle()
    await bench.settle()

    assert "was not activated: nobody agreed within 1 h." in "\n".join(bench.room.values())
    assert bench.host.activations == []


async def test_an_old_request_is_void(bench: Bench) -> None:
    """When the base moved meanwhile the word is void: it is prepared anew, and asked anew."""
    await bench.say("deployer", "!deploy hello-bot")
    (first,) = requests(bench)
    bench.host.add_generation("by hand")

    asked = await bench.say("second", "!approve 1")

    assert "waits for somebody's word." in asked
    (_, second) = requests(bench)
    assert "That was an earlier request of #1" in await bench.say("second", YES, reacts_to=first)
    assert bench.host.activations == []
    assert "runs on `ops-jrz1`" in await bench.say("second", YES, reacts_to=second)


async def test_another_system_than_the_one_agreed_to_is_not_activated(bench: Bench) -> None:
    """What was approved is what runs: a build that gave another path in the meantime is asked for anew."""
    await bench.say("deployer", "!deploy hello-bot")
    bench.host.build_anew("something else")

    asked = await bench.say("second", "!approve 1")

    assert "waits for somebody's word." in asked
    assert bench.host.activations == []


async def test_a_word_outlives_a_crash(bench: Bench) -> None:
    """A bot that dies while it waits, or just after the word, asks once and hears the word."""
    bench.engine.crash_at = {"in agree", "after agree"}
    await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`" in await bench.say("second", "!approve 1")
    assert len(requests(bench)) == 1
    assert len(bench.host.activations) == 1


async def test_a_cancel_ends_the_wait(bench: Bench) -> None:
    """A job that waits for a word can be cancelled; its request says that it is void."""
    await bench.say("deployer", "!deploy hello-bot")

    told = await bench.say("admin", "!cancel 1")

    assert "this request is void: admin cancelled it." in told
    assert "hello-bot" in told
    assert bench.host.activations == []
    assert "#1 does not wait for anybody's word." in await bench.say("second", "!approve 1")


async def test_nobody_waits_with_the_hosts_lock(bench: Bench) -> None:
    """While a job waits for a word, others go ahead."""
    await bench.say("deployer", "!deploy hello-bot")

    assert "No earlier generation was ever proved" in await bench.say("admin", "!rollback")
    assert await bench.site.ledger.lock_holder("ops-jrz1") is None
    assert "runs on" in await bench.say("second", "!approve 1")


async def test_a_rollback_may_need_a_word_too(tmp_path: Path) -> None:
    """Where going back needs somebody's word, the host's lock is let go of meanwhile, and taken again."""
    async with Bench.open(tmp_path, people=TWO_DEPLOYERS, approvals={"rollback": "deployer"}) as bench:
        await bench.say("deployer", "!deploy hello-bot")
        assert "waits for somebody's word." in await bench.say("deployer", "!rollback")
        assert await bench.site.ledger.lock_holder("ops-jrz1") is None
        assert "Generation 31 runs on `ops-jrz1` again" in await bench.say("second", "!approve 2")


async def test_a_team_of_one_agrees_alone_by_a_rule(tmp_path: Path) -> None:
    """Who has nobody else may agree alone where a rule says so: after a wait, with a reason, and it is recorded."""
    alone = {"deployer": TWO_DEPLOYERS["deployer"], "member": TWO_DEPLOYERS["member"]}
    approvals = {"deploy": "deployer", "alone": 600}
    async with Bench.open(tmp_path, people=alone, approvals=approvals) as bench:
        asked = await bench.say("deployer", "!deploy hello-bot")
        assert "Nobody else could agree, so deployer may, with a reason, after 10 min." in asked
        assert "you may yourself, with a reason," in await bench.say("deployer", "!approve 1 nobody is here")
        bench.clock.pass_time(600)
        assert "so say why: `!approve 1 REASON`" in await bench.say("deployer", "!approve 1")
        told = await bench.say("deployer", "!approve 1 nobody is here")
        assert "deployer agreed alone, for nobody else could: nobody is here" in told
        assert "runs on `ops-jrz1`" in told
        job = await bench.site.ledger.job("1")
        assert job is not None
        assert (job.details["consent"]["by"], job.details["consent"]["alone"]) == ("deployer", True)


async def test_without_that_rule_nobody_agrees_alone(tmp_path: Path) -> None:
    """Without the rule a team of one is told that somebody must be added."""
    approvals = {"deploy": "admin"}
    async with Bench.open(tmp_path, people={"admin": TWO_DEPLOYERS["admin"]}, approvals=approvals) as bench:
        assert "Nobody may agree: an admin must add a person" in await bench.say("admin", "!deploy hello-bot")
        assert "No: nobody else could agree: an admin must add a person" in await bench.say(
            "admin", "!approve 1 please"
        )


async def test_what_waits_is_listed(bench: Bench) -> None:
    """`!approve` alone lists what waits for a word."""
    assert await bench.say("member", "!approve") == "Nothing waits for anybody's word."
    await bench.say("deployer", "!deploy hello-bot")
    assert "#1 deploy hello-bot main on `ops-jrz1`, for deployer: needs the word of the level deployer" in (
        await bench.say("member", "!approve")
    )


async def test_who_asked_may_take_it_back(bench: Bench) -> None:
    """Who asked may say no themselves."""
    await bench.say("deployer", "!deploy hello-bot")
    assert "deployer said no: a typo" in await bench.say("deployer", "!deny 1 a typo")


async def test_what_nobody_asked_for_is_not_agreed_to(bench: Bench) -> None:
    """A job that does not wait, or is not there, is answered in words."""
    assert "There is no job `7`." in await bench.say("second", "!approve 7")
    await bench.say("deployer", "!deploy hello-bot --dry-run")
    assert "#1 does not wait for anybody's word." in await bench.say("second", "!approve 1")
