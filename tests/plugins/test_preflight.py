import pytest

from opsbot.answers import NotThatHostError
from opsbot.model import Json
from opsbot.testing import Bench
from opsbot.testing.host import commit_of

SPACE = {"code": "space", "message": "`/boot` on `ops-jrz1` has 12 MiB free, and a deploy wants 64 MiB there."}
SWITCHING = {"code": "switching", "message": "Somebody at the console is switching `ops-jrz1`."}
BEGAN = ("prepare", "activate", "rollback")


def begun(bench: Bench) -> list[str]:
    """Return the verbs that began something on the host."""
    return [verb for verb, _ in bench.host.asked if verb in BEGAN]


@pytest.mark.parametrize("problem", [SPACE, SWITCHING])
@pytest.mark.parametrize("words", ["hello-bot", "platform", "hello-bot --dry-run"])
async def test_what_the_host_says_against_a_deploy_ends_it_before_the_build(
    bench: Bench, problem: Json, words: str
) -> None:
    """What speaks against a deploy is said before anything is built, of dry runs too, and stands in the job's end."""
    bench.host.problems = [problem]

    answer = await bench.say("admin", f"!deploy {words}")

    assert f"was not deployed: {problem['message']} Nothing was built, and nothing was activated." in answer
    assert answer.count("⛔") == 2
    assert begun(bench) == []
    job = (await bench.site.ledger.jobs())[0]
    assert (str(job.outcome), job.details["code"]) == ("refused", problem["code"])
    assert problem["message"].replace("`", "") in (await bench.say("contributor", "!history")).replace("`", "")


async def test_all_that_speaks_against_a_deploy_is_said_at_once(bench: Bench) -> None:
    """Somebody who has made room should not learn only then that another thing is wrong, too."""
    bench.host.problems = [SPACE, SWITCHING]

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert f"{SPACE['message']} {SWITCHING['message']}" in answer


async def test_going_back_is_tried_whatever_is_full(bench: Bench) -> None:
    """A full disk and a wrong clock keep nobody from going back: they are told, and it is tried."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!deploy hello-bot v2")
    bench.host.problems = [SPACE]
    bench.host.now = lambda: 0.0

    by_project = await bench.say("deployer", "!rollback hello-bot")
    by_number = await bench.say("deployer", "!rollback 31")

    assert "12 MiB free" in by_project
    assert f"hello-bot {commit_of('hello-bot main')[:7]} runs on `ops-jrz1`" in by_project
    assert "12 MiB free" in by_number
    assert "Generation 31 runs on `ops-jrz1` again" in by_number


async def test_going_back_waits_until_nobody_else_switches(bench: Bench) -> None:
    """While a person switches the host, going back is refused as well, by a sentence and before anything is touched."""
    await bench.say("deployer", "!deploy hello-bot")
    bench.host.problems = [SWITCHING]
    before = begun(bench)

    answer = await bench.say("deployer", "!rollback")

    assert f"The rollback was not begun: {SWITCHING['message']}" in answer
    assert begun(bench) == before


@pytest.mark.parametrize(("ahead", "said"), [(600, "10 min apart"), (-3600, "1 h apart"), (45, ""), (-45, "")])
async def test_clocks_that_are_far_apart_refuse_a_deploy(bench: Bench, ahead: float, said: str) -> None:
    """The end of a window is a time, so a deploy is refused when the host's clock and the bot's are far apart."""
    bench.host.now = lambda: bench.clock.now().timestamp() + ahead

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert (f"The clock of `ops-jrz1` and mine are {said}" in answer) == bool(said)
    assert begun(bench) == ([] if said else ["prepare", "activate"])


async def test_a_slow_link_is_no_wrong_clock(bench: Bench) -> None:
    """Only a time that cannot be right counts: an answer that was long on its way is none."""
    bench.host.clock = 10

    def answers_late() -> float:
        told = bench.clock.now().timestamp()
        bench.clock.pass_time(25)
        return told

    bench.host.now = answers_late

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer


async def test_a_hold_is_said_before_the_platform_is_built(bench: Bench) -> None:
    """A deploy of the platform that would move a held project is refused before the build, with the hold's reason."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback --reason it crashed")
    bench.host.platform_moves = ("hello-bot",)

    answer = await bench.say("admin", "!deploy platform")

    assert "platform main was not built: there is a hold on hello-bot: it crashed. It ends when somebody" in answer
    assert [given["held"] for verb, given in bench.host.asked if verb == "prepare" and "held" in given] == [
        ["hello-bot"]
    ]
    assert not [verb for verb, _ in bench.host.asked[-1:] if verb == "plan"]
    assert await bench.site.ledger.holds()


async def test_a_dry_run_shows_the_plan_and_the_hold(bench: Bench) -> None:
    """A dry run shows what would move in spite of a hold, and says that the hold is in the way."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback --reason it crashed")
    bench.host.platform_moves = ("hello-bot",)

    answer = await bench.say("admin", "!deploy platform --dry-run")

    assert "Moves hello-bot" in answer
    assert "But not for admin: there is a hold on hello-bot: it crashed." in answer


async def test_an_older_helper_is_worked_with_and_named(bench: Bench) -> None:
    """A helper that cannot look first is told with its version; the deploy goes on, and asks nothing it cannot know."""
    await bench.say("deployer", "!deploy hello-bot")
    await bench.say("deployer", "!rollback")
    bench.host.unknown, bench.host.version = {"preflight"}, "0.0.9"

    answer = await bench.say("admin", "!deploy platform")

    assert "opsbot-host 0.0.9 on `ops-jrz1` is older than this bot and cannot look first." in answer
    assert "platform" in answer
    assert "runs on `ops-jrz1`" in answer
    assert not any("held" in given for _, given in bench.host.asked)


@pytest.mark.parametrize("unknown", [set(), {"preflight"}])
@pytest.mark.parametrize(
    ("protocol", "todo"),
    [(2, "upgrade this bot to the host's version"), (0, "upgrade opsbot-host to this bot's version")],
)
async def test_another_protocol_is_refused_with_the_side_to_upgrade(
    bench: Bench, protocol: int, todo: str, unknown: set[str]
) -> None:
    """When bot and helper speak other versions of the protocol, the sentence says which side to upgrade."""
    bench.host.protocol, bench.host.unknown = protocol, unknown

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert f"speaks version {protocol} of the protocol, and this bot 1: {todo}" in answer
    assert begun(bench) == []


@pytest.mark.parametrize("answer", [None, 42, [], {}, {"problems": 3}, {"problems": [], "protocol": 1, "time": "x"}])
async def test_a_helper_that_answers_nonsense_is_told(bench: Bench, answer: Json) -> None:
    """What is no answer of a helper's ends a deploy with a sentence before anything began."""
    bench.host.says["preflight"] = answer

    said = await bench.say("deployer", "!deploy hello-bot")

    assert "opsbot-host there answers what this bot does not understand." in said
    assert begun(bench) == []


async def test_what_is_not_that_host_is_not_asked_for_ten_minutes(bench: Bench) -> None:
    """A wrong host key or a missing helper ends a deploy after a minute, with what it is and what to do about it."""
    bench.host.stranger = NotThatHostError("ops-jrz1 shows the host key SHA256:x.", code="host-key")
    began = bench.clock.now()

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "was not deployed: ops-jrz1 shows the host key SHA256:x. Nothing was built" in answer
    assert 60 < (bench.clock.now() - began).total_seconds() < 120
    assert begun(bench) == []
