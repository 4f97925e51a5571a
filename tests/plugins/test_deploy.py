import asyncio
from pathlib import Path

import pytest

from opsbot.jobs.runner import perform
from opsbot.testing import Bench
from opsbot.testing.engine import FakeRun
from opsbot.testing.facts import commit_of

FAILED = [{"unit": "hello-bot.service", "lines": ["Traceback", "ValueError: no token"]}]


async def test_a_deploy_becomes_a_generation(bench: Bench) -> None:
    """`!deploy PROJECT` ends with the new generation running, published, and told in the thread and to the room."""
    answer = await bench.say("deployer", "!deploy hello-bot --reason it was time")

    pin = commit_of("hello-bot main")
    assert bench.host.running["pins"]["hello-bot"] == pin
    assert bench.host.running["generation"] == 32
    assert f"hello-bot {pin[:7]} runs on `ops-jrz1`: generation 32" in answer
    assert "Reason: it was time" in answer
    assert [verb for verb, _ in bench.host.asked if verb in ("prepare", "plan", "activate", "confirm", "publish")] == [
        "prepare",
        "plan",
        "activate",
        "confirm",
        "publish",
    ]


async def test_a_job_that_has_ended_is_not_begun_again(bench: Bench) -> None:
    """When the engine takes up a job that has ended, as in a restored database, nothing is asked and nothing said."""
    await bench.say("deployer", "!deploy hello-bot")
    asked, room = len(bench.host.asked), dict(bench.room)
    [job] = await bench.site.ledger.jobs()

    await perform(job.id, FakeRun([], lambda _: None), bench.site)

    assert (len(bench.host.asked), bench.room) == (asked, room)


async def test_deploying_what_runs_makes_no_generation(bench: Bench) -> None:
    """Deploying what already runs says so and activates nothing."""
    await bench.say("deployer", "!deploy hello-bot")

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "is what runs on `ops-jrz1` already; nothing was changed." in answer
    assert len(bench.host.generations) == 2
    assert len(bench.host.activations) == 1


async def test_a_dry_run_activates_nothing(bench: Bench) -> None:
    """`--dry-run` shows the plan and ends."""
    answer = await bench.say("deployer", "!deploy hello-bot --dry-run")

    assert "would go to `ops-jrz1`. Nothing was activated." in answer
    assert "restart: hello-bot.service" in answer
    assert bench.host.activations == []


async def test_contributors_may_see_what_a_deploy_would_do(bench: Bench) -> None:
    """A dry run is for contributors too; it says so when the real one would not be for them."""
    answer = await bench.say("contributor", "!deploy hello-bot --dry-run")

    assert "would go to `ops-jrz1`. Nothing was activated. But not for contributor" in answer
    assert "this needs the level deployer" in await bench.say("contributor", "!deploy hello-bot")
    assert bench.host.activations == []


async def test_a_failing_build_shows_its_derivation_and_last_lines(bench: Bench) -> None:
    """A build that fails names the derivation that failed, with its last 20 lines; nothing is activated."""
    log = [f"line {n}" for n in range(1, 41)]
    error = {"code": "build", "message": "The build failed."}
    bench.host.endings["prepare"] = {"status": "failed", "error": error, "derivation": "hello-bot-1.1.drv", "tail": log}

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "`hello-bot-1.1.drv` failed. Nothing was activated." in answer
    assert "line 21\n" in answer
    assert "line 20\n" not in answer
    assert bench.host.activations == []


async def test_what_the_host_undid_is_told_with_the_failed_units(bench: Bench) -> None:
    """If something is undone, the message shows why and the failed units' last lines."""
    bench.host.endings["activate"] = {"status": "reverted", "why": "hello-bot.service failed.", "failed_units": FAILED}

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "was undone: hello-bot.service failed. `ops-jrz1` runs what it ran before." in answer
    assert "ValueError: no token" in answer
    assert not [verb for verb, _ in bench.host.asked if verb == "publish"]


async def test_a_service_that_was_well_and_was_touched_undoes_the_deploy(bench: Bench) -> None:
    """A service that was healthy before, and that the deploy restarts, undoes it when it does not come back."""
    bench.host.plan["units"] = {"stop": [], "start": [], "restart": ["opsbot.service"], "reload": []}
    bench.host.endings["activate"] = {"deadline": bench.clock.now().timestamp() + 60}
    bench.host.on_activate = lambda: bench.outside.ill.update(opsbot="Connection refused")

    answer = await bench.say("admin", "!deploy hello-bot")

    assert "was undone: opsbot: Connection refused" in answer


async def test_a_service_that_was_ill_before_cannot_undo_a_deploy(bench: Bench) -> None:
    """What was ill before is no reason to go back: a deploy that repairs must not be undone."""
    bench.host.plan["units"] = {"stop": [], "start": [], "restart": ["opsbot.service"], "reload": []}
    bench.outside.ill["opsbot"] = "Connection refused"

    answer = await bench.say("admin", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer


async def test_a_service_that_the_deploy_did_not_touch_is_a_warning(bench: Bench) -> None:
    """A service that falls ill beside the deploy is told as a warning."""
    bench.host.on_activate = lambda: bench.outside.ill.update(opsbot="Connection refused")

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert "Warning: opsbot is not well: Connection refused" in answer


async def test_a_deployer_may_not_change_the_platform_with_a_project(bench: Bench) -> None:
    """If units change that are not the project's own, the deploy needs the rights of a change to the platform."""
    bench.host.plan["foreign"] = ["etc/sudoers"]

    refused = await bench.say("deployer", "!deploy hello-bot")
    allowed = await bench.say("admin", "!deploy hello-bot --reason sudo")

    assert "was not activated: it changes more than the project's own units (`etc/sudoers`)" in refused
    assert "that is a change to the platform. An admin may say the same." in refused
    assert "runs on `ops-jrz1`" in allowed


async def test_rights_are_looked_at_again_before_activation(bench: Bench) -> None:
    """Somebody who left the team while the job was built activates nothing."""
    config = bench.site.config
    team = {name: entry for name, entry in config.team.items() if name != "deployer"}
    bench.host.on_prepare = lambda: object.__setattr__(bench.site, "config", config.model_copy(update={"team": team}))

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "was not activated: this needs the level deployer" in answer
    assert bench.host.activations == []


async def test_a_deploy_whose_base_moved_is_prepared_anew(bench: Bench) -> None:
    """If something else went to the host in the meantime, the deploy is built anew on what runs now."""
    moved = iter([True])

    def once() -> None:
        if next(moved, False):
            bench.host.add_generation("by hand")

    bench.host.on_plan = once

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 33" in answer
    assert len([verb for verb, _ in bench.host.asked if verb == "prepare"]) == 2


async def test_a_host_that_does_not_answer_is_asked_again(bench: Bench) -> None:
    """A lost connection means unknown: the host is asked again, and nothing is done twice."""
    bench.host.lose_next = 5

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert len(bench.host.activations) == 1


async def test_a_host_that_stays_away_ends_the_job_before_anything_began(bench: Bench) -> None:
    """A host that cannot be reached for ten minutes ends the job with a sentence."""
    bench.host.away = True

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "No answer for 10 min: ops-jrz1 cannot be reached: Connection refused." in answer
    assert "Nothing was built, and nothing was activated." in answer


async def test_a_reboot_within_the_commit_is_carried_to_its_end(bench: Bench) -> None:
    """A host that is rebooted after the word to commit is asked to go on with it, and does."""
    bench.host.lose_commit = True

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert len(bench.host.generations) == 2


@pytest.mark.parametrize("verbs", [1, 3, 9])
async def test_a_host_that_cannot_answer_well_is_not_taken_for_a_no(bench: Bench, verbs: int) -> None:
    """Once it has begun to activate, "something failed" from a host means unknown: it is asked again."""

    def breaks() -> None:
        bench.host.fail_next = verbs

    bench.host.on_activate = breaks

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert len(bench.host.activations) == 1


async def test_a_room_that_hears_nothing_does_not_undo_a_deploy_that_left_it_alone(bench: Bench) -> None:
    """A message that does not get through counts only against a deploy that touches what carries it."""
    bench.chat.deaf = True

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert "Warning: no message got through to the room" in answer


@pytest.mark.parametrize("unit", ["conduwuit.service", "opsbot.service"])
async def test_a_deploy_that_silences_the_room_is_undone(bench: Bench, unit: str) -> None:
    """If messages got through before and the deploy restarts homeserver or bot, they must do so afterwards."""
    bench.host.plan["units"] = {"stop": [], "start": [], "restart": [unit], "reload": []}
    bench.host.endings["activate"] = {"deadline": bench.clock.now().timestamp() + 60}
    bench.host.on_activate = lambda: setattr(bench.chat, "deaf", True)

    answer = await bench.say("admin", "!deploy hello-bot")

    assert "was undone: no message got through to the room." in answer
    assert bench.host.running["generation"] == 31


async def test_a_cancel_while_it_is_proved_sends_it_back(bench: Bench) -> None:
    """Until the word to commit is given, a cancel sends the host back."""

    async def cancel() -> None:
        await bench.site.ledger.at_stage((await bench.site.ledger.jobs())[0].id, "activate", {"cancelled_by": "eve"})

    bench.outside.before_probe = cancel

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "✋ hello-bot" in answer
    assert "was undone: eve cancelled it." in answer
    assert bench.host.running["generation"] == 31


async def test_publishing_is_tried_again(bench: Bench) -> None:
    """A forge that the deploy itself restarted is published to a little later."""
    bench.host.publish_fails = 3

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "generation 32, before" in answer
    assert "NOT published" not in answer


async def test_who_confirms_has_come_in_anew(bench: Bench) -> None:
    """A deploy is confirmed over a connection made after the switch: one that sshd let in before proves nothing."""
    await bench.say("deployer", "!deploy hello-bot")

    verbs = [verb for verb, _ in bench.host.asked]
    assert verbs[verbs.index("confirm") - 1] == "close"


async def test_a_host_that_can_no_longer_publish_ends_the_job(bench: Bench) -> None:
    """A deploy that took away the unit with which it would be published is done, and says what is missing."""
    bench.host.unitless.add("publish")

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "generation 32" in answer
    assert "NOT published: Unit opsbot-publish@" in answer


async def test_what_is_not_on_the_deployed_branch_is_told(bench: Bench) -> None:
    """If the branch of what runs could not be moved, the message says so."""
    bench.host.endings["publish"] = {"deployed": "The commit is on no branch."}

    assert "NOT published: The commit is on no branch." in await bench.say("deployer", "!deploy hello-bot")


async def test_a_job_of_the_next_version_stops_nothing(bench: Bench) -> None:
    """A database that a newer version wrote is read, and its jobs are shown."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.database.write(lambda c: c.exec_driver_sql("UPDATE jobs SET kind = 'canary', outcome = 'baked'"))

    assert "#1 canary hello-bot main on `ops-jrz1`, for deployer: baked" in await bench.say("member", "!job")


async def test_a_revision_is_resolved_once(bench: Bench) -> None:
    """A deploy that is prepared anew builds the commit that was shown, not what the branch is by then."""
    moved = iter([True])
    bench.host.on_plan = lambda: bench.host.add_generation("by hand") if next(moved, False) else None

    await bench.say("deployer", "!deploy hello-bot")

    asked = [given["revision"] for verb, given in bench.host.asked if verb == "prepare"]
    assert asked == ["main", commit_of("hello-bot main")]


async def test_a_second_plain_rollback_goes_further_back(bench: Bench) -> None:
    """`!rollback` twice means further back; the hold of the first one is not in its way."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!deploy hello-bot v2")
    await bench.say("deployer", "!rollback")

    answer = await bench.say("deployer", "!rollback")

    assert "Generation 31 runs on `ops-jrz1` again" in answer


async def test_a_generation_can_be_named(bench: Bench) -> None:
    """`!rollback N` goes to that generation; forward again it puts no hold."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback")

    answer = await bench.say("deployer", "!rollback 32")

    assert "Generation 32 runs on `ops-jrz1` again." in answer
    assert "Generation 32 is what runs on `ops-jrz1` already." in await bench.say("deployer", "!rollback 32")


async def test_a_rollback_waits_for_the_deploy_before_it(bench: Bench) -> None:
    """`!rollback` while a deploy runs goes back from what that deploy has made."""
    deploy, rollback = await asyncio.gather(
        bench.say("deployer", "!deploy hello-bot"), bench.say("deployer", "!rollback")
    )

    assert "runs on `ops-jrz1`: generation 32" in deploy + rollback
    assert bench.host.running["generation"] == 31 or "No earlier generation" in deploy + rollback


async def test_a_platform_deploy_tells_what_it_brings(bench: Bench) -> None:
    """`!deploy platform` by an admin activates main's head, and lists the commits that it brings."""
    bench.host.plan["commits"] = [{"commit": commit_of("c"), "subject": "Forgejo 7.0.13", "author": "Dan"}]

    answer = await bench.say("admin", "!deploy platform")

    assert "Brings Forgejo 7.0.13" in answer
    assert f"platform {commit_of('platform main')[:7]} runs on `ops-jrz1`" in answer


async def test_rollback_goes_to_the_generation_before(bench: Bench) -> None:
    """`!rollback` makes the former proved generation run again and puts a hold on what it moved."""
    await bench.say("deployer", "!deploy hello-bot")

    answer = await bench.say("deployer", "!rollback --reason too slow")

    assert "Generation 31 runs on `ops-jrz1` again; held until deployed on purpose: hello-bot." in answer
    assert bench.host.running["generation"] == 31
    assert [hold.reason for hold in await bench.site.ledger.holds()] == ["too slow"]


async def test_a_hold_ends_with_a_deploy_on_purpose(bench: Bench) -> None:
    """Deploying a held project by its name takes the hold away."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback")

    await bench.say("deployer", "!deploy hello-bot")

    assert await bench.site.ledger.holds() == []


async def test_a_platform_deploy_that_would_move_a_held_project_is_refused(bench: Bench) -> None:
    """A hold stops everything but a deploy of that very project."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback --reason it crashed")
    bench.host.plan["moves"] = {"hello-bot": [commit_of("hello-bot 1"), commit_of("hello-bot main")]}

    answer = await bench.say("admin", "!deploy platform")

    assert "was not activated: there is a hold on hello-bot: it crashed." in answer


async def test_rolling_back_twice_goes_further_back(bench: Bench) -> None:
    """A second rollback never goes forward to what the first one left."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!deploy hello-bot v2")
    await bench.say("deployer", "!rollback hello-bot")

    answer = await bench.say("deployer", "!rollback hello-bot")

    assert bench.host.running["pins"]["hello-bot"] == commit_of("hello-bot 1")
    assert f"hello-bot {commit_of('hello-bot 1')[:7]} runs" in answer


async def test_there_is_nothing_before_the_first_generation(bench: Bench) -> None:
    """A rollback without anything to go back to says so."""
    assert "No earlier generation was ever proved on `ops-jrz1`" in await bench.say("deployer", "!rollback")
    assert "No earlier revision of hello-bot was ever proved" in await bench.say("deployer", "!rollback hello-bot")
    missing = "Generation 7 is not there on `ops-jrz1`; `!generations` lists what there is."
    assert missing in await bench.say("deployer", "!rollback 7")


async def test_two_deploys_take_turns(bench: Bench) -> None:
    """Two deploys on one host that wait for their turn activate one after the other, each on what then runs."""
    await asyncio.gather(
        bench.say("deployer", "!deploy hello-bot --wait"), bench.say("deployer", "!deploy web-shop --wait")
    )

    assert bench.host.running["pins"] == {
        "hello-bot": commit_of("hello-bot main"),
        "web-shop": commit_of("web-shop main"),
    }


async def test_only_the_owner_or_an_admin_cancels(bench: Bench) -> None:
    """`!cancel` is for the one who asked, and for admins."""
    await bench.say("admin", "!deploy hello-bot --dry-run")

    assert "they or an admin may cancel it" in await bench.say("deployer", "!cancel 1")
    assert "#1 has ended already" in await bench.say("admin", "!cancel 1")


async def test_what_went_wrong_at_publish_is_told(bench: Bench) -> None:
    """A deploy that could not be published is done, and says that the branches do not have it."""
    bench.host.endings["publish"] = {"status": "failed", "error": {"code": "failed", "message": "No route to host."}}

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert "NOT published: No route to host." in answer


PLACES = [
    f"{when} {step}"
    for step in ("prepare", "plan", "begin", "agree", "turn", "look", "activate", "prove", "publish", "end")
    for when in ("before", "in", "after")
]


@pytest.mark.parametrize("place", PLACES)
async def test_a_bot_that_dies_anywhere_ends_the_job_once(bench: Bench, place: str) -> None:
    """Wherever the bot dies, the job ends truly after the restart: one activation, one closing line."""
    bench.engine.crash_at = {place}

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert bench.engine.crash_at == set()
    assert answer.count("(#1, deployer)") == 1
    assert "runs on `ops-jrz1`: generation 32" in answer
    assert len(bench.host.activations) == 1
    assert len(bench.host.generations) == 2


async def test_a_homeserver_that_falls_with_what_it_needs_counts_as_touched(bench: Bench) -> None:
    """A homeserver that restarts only because its database does must carry a message afterwards, too."""
    bench.host.plan["units"] = {"stop": [], "start": [], "restart": ["postgresql.service"], "reload": []}
    bench.host.plan["touched"] = ["conduwuit.service", "postgresql.service"]
    bench.host.endings["activate"] = {"deadline": bench.clock.now().timestamp() + 60}
    bench.host.on_activate = lambda: setattr(bench.chat, "deaf", True)

    answer = await bench.say("admin", "!deploy hello-bot")

    assert "was undone: no message got through to the room." in answer


async def test_what_was_not_published_is_published_by_a_command(bench: Bench) -> None:
    """A forge that stays away ends the deploy truly, with the command that publishes later; it does so once."""
    bench.host.publish_fails = 100
    told = await bench.say("deployer", "!deploy hello-bot")
    assert (
        "NOT published: Connection refused. What runs is not on the platform's branches. `!publish 1` does it" in told
    )

    still = await bench.say("deployer", "!publish 1")
    assert "❌ #2 publish #1 on `ops-jrz1`, for deployer" in still
    assert "What #1 put on `ops-jrz1` is NOT published: Connection refused." in still
    assert "`!publish 1` does it again." in still

    bench.host.publish_fails = 0
    assert "What #1 put on `ops-jrz1` is published: on main." in await bench.say("deployer", "!publish 1")
    jobs = {given["job"] for verb, given in bench.host.asked if verb == "publish"}
    assert jobs == {(await bench.site.ledger.job("1") or pytest.fail("no job")).id}
    assert len(bench.host.activations) == 1


async def test_only_what_was_put_in_place_and_not_published_can_be_published(bench: Bench) -> None:
    """`!publish` is for jobs that ended with their work in place and not published, and for those who may deploy it."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!deploy web-shop --dry-run")

    assert "#1 is published already." in await bench.say("deployer", "!publish 1")
    assert "#2 has put nothing in place" in await bench.say("deployer", "!publish 2")
    assert "There is no job `7`." in await bench.say("deployer", "!publish 7")
    assert "the level deployer" in await bench.say("contributor", "!publish 1")


async def test_publishing_needs_the_rights_on_the_project(tmp_path: Path) -> None:
    """Who may not deploy a project may not publish it, either."""
    people = {
        "ana": {"level": "deployer", "accounts": ["@ana:example.org"], "projects": ["web-shop"]},
        "deployer": {"level": "deployer", "accounts": ["@deployer:example.org"]},
    }
    async with Bench.open(tmp_path, people=people) as bench:
        bench.host.publish_fails = 100
        await bench.say("deployer", "!deploy hello-bot")
        assert "No: ana is deployer for web-shop, not for hello-bot." in await bench.say(
            "@ana:example.org", "!publish 1"
        )


async def test_a_build_that_keeps_dying_is_given_up(bench: Bench) -> None:
    """A build whose process dies again and again ends the job with a sentence; it is not begun anew for ever."""
    bench.host.endings["prepare"] = {"status": "lost"}

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "was not built: its process on `ops-jrz1` died 4 times without a word" in answer
    assert bench.host.activations == []


async def test_the_same_deploy_twice_at_once_is_done_once(bench: Bench) -> None:
    """Two people who deploy the same at the same time get one generation; the second reads that it runs already."""
    answers = await asyncio.gather(
        bench.say("deployer", "!deploy hello-bot"), bench.say("admin", "!deploy hello-bot --wait")
    )

    told = "\n".join(answers)
    assert "runs on `ops-jrz1`: generation 32" in told
    assert "is what runs on `ops-jrz1` already; nothing was changed." in told
    assert len(bench.host.generations) == 2
