from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from opsbot.bridged import SlackProof
from opsbot.testing import Bench

UNITS = {"homeserver": "conduwuit.service", "bridge": "mautrix-slack.service", "hello-bot": "hello-bot.service"}
REFUSED = "The self-test did not reach Slack: invalid_auth."


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A whole bot beside a bridge that is well."""
    services = {name: {"unit": unit} for name, unit in UNITS.items()}
    projects = {"hello-bot": {"host": "ops-jrz1", "services": ["hello-bot"]}}
    async with Bench.open(tmp_path, services=services, projects=projects) as opened:
        opened.slack.proof = SlackProof(at=opened.clock.now())
        opened.host.endings["activate"] = {"deadline": opened.clock.now().timestamp() + 60}
        yield opened


def refusing(bench: Bench) -> Callable[[], None]:
    """Return what makes Slack refuse every message."""
    return lambda: setattr(bench.slack, "proof", SlackProof(at=bench.clock.now(), problem=REFUSED))


def restarting(bench: Bench, unit: str) -> None:
    """Let a deploy restart a unit."""
    bench.host.plan["units"] = {"stop": [], "start": [], "restart": [unit], "reload": []}


@pytest.mark.parametrize("unit", ["mautrix-slack.service", "conduwuit.service"])
async def test_a_deploy_that_cuts_slack_off_is_undone(bench: Bench, unit: str) -> None:
    """If Slack took a message before and the deploy restarts bridge or homeserver, it must take one afterwards."""
    restarting(bench, unit)
    bench.host.on_activate = refusing(bench)

    answer = await bench.say("admin", "!deploy hello-bot")

    assert f"was undone: no message got to Slack: {REFUSED}" in answer
    assert bench.host.running["generation"] == 31


async def test_a_bridge_has_time_to_come_back(bench: Bench) -> None:
    """The bridge may take its time to connect: the deploy waits for its word, and is kept."""
    restarting(bench, "mautrix-slack.service")

    def away() -> None:
        bench.slack.trouble = "The bridge cannot be reached: connection refused."

    async def back_later() -> None:
        if bench.clock.now().timestamp() > began + 20:
            bench.slack.trouble = ""

    began = bench.clock.now().timestamp()
    bench.host.on_activate = away
    bench.outside.before_probe = back_later

    answer = await bench.say("admin", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert "Slack" not in answer


async def test_slacks_own_trouble_undoes_nothing(bench: Bench) -> None:
    """A deploy that left bridge and homeserver alone is kept, with a warning, when Slack takes nothing any more."""
    bench.host.on_activate = refusing(bench)

    answer = await bench.say("deployer", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert f"Warning: no message got to Slack: {REFUSED}" in answer


@pytest.mark.parametrize("ill", ["refused", "untested", "away"])
async def test_what_was_not_well_before_counts_for_nothing(bench: Bench, ill: str) -> None:
    """Where Slack had no message before, for whatever reason, a deploy of the bridge is not judged by it."""
    restarting(bench, "mautrix-slack.service")
    match ill:
        case "refused":
            refusing(bench)()
        case "untested":
            bench.slack.proof = None
        case _:
            bench.slack.trouble = "The bridge cannot be reached: connection refused."

    answer = await bench.say("admin", "!deploy hello-bot")

    assert "runs on `ops-jrz1`: generation 32" in answer
    assert "no message got to Slack" not in answer
