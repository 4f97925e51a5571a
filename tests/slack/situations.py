"""What may be the case in a scene: each is a sentence in brackets that a scene can name."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from opsbot.bridged import Portal, SlackProof
from opsbot.jobs.reboots import look
from opsbot.model import Json, SlackNews
from tests.slack.scenes import Stage

_FAILED = [
    {"unit": "hello-bot.service", "lines": ["Traceback (most recent call last):", "ValueError: no token in $TOKEN"]}
]
_PASSES = re.compile(r"(\d+) (seconds|minutes|hours) pass")
_GIB = 1024**3

#: What is configured; a scene begins with it.
SETTINGS: dict[str, Json] = {
    "a deployer must agree": {"approvals": {"deploy": "deployer", "risky": "admin"}},
    "an admin must agree, and there is one": {"approvals": {"deploy": "admin", "alone": 600}},
    "there is an embargo on hello-bot": {
        "embargoes": [{"hours": "mon 10:00-14:00", "projects": ["hello-bot"], "reason": "the fair"}]
    },
    "a person has three commands in a minute": {
        "limits": {"person": 3, "room": 1000, "strangers": 1000, "queued": 1000}
    },
}

Happening = Callable[[Stage], Awaitable[None] | None]


def _ends(verb: str, **how: Json) -> Happening:
    def happen(stage: Stage) -> None:
        stage.bench.host.endings[verb] = how

    return happen


def _plans(**what: Json) -> Happening:
    def happen(stage: Stage) -> None:
        stage.bench.host.plan.update(what)

    return happen


def _every_edit(stage: Stage) -> None:
    stage.every_edit = True


def _away(stage: Stage) -> None:
    stage.bench.host.away = True


def _at_work(stage: Stage) -> None:
    stage.bench.host.at_work = True


def _finished(stage: Stage) -> None:
    stage.bench.host.at_work = False


async def _rebooted(stage: Stage) -> None:
    stage.bench.host.reboot()
    await look(stage.bench.site)


def _forge_away(stage: Stage) -> None:
    stage.bench.host.publish_fails = 1000


def _forge_back(stage: Stage) -> None:
    stage.bench.host.publish_fails = 0


def _ill(stage: Stage) -> None:
    stage.bench.outside.ill["hello-bot"] = "Connection refused"


def _slack_quiet(stage: Stage) -> None:
    slack, now = stage.bench.slack, stage.bench.clock.now()
    slack.trouble = "The bridge has not reached Slack for 95 s (timeout): look at the host's way to slack.com."
    slack.said = SlackNews(heard=now - timedelta(minutes=3), problem="slack rate limit exceeded", waiting=2)
    slack.proof = SlackProof(at=now - timedelta(minutes=9), problem="The self-test did not reach Slack: is_archived.")


def _put_out(stage: Stage) -> None:
    stage.bench.slack.said = SlackNews(heard=stage.bench.clock.now(), problem="not_in_channel", waiting=0)


def _talk(stage: Stage) -> None:
    now = stage.bench.clock.now()
    slack, ops = stage.bench.slack, Portal(room_id="!1:x", channel="C0OPS", name="#ops")
    slack.said = SlackNews(heard=now - timedelta(minutes=2), sent=now - timedelta(minutes=2))
    slack.portals = [(ops, True), (replace(ops, channel="C0LAB", name="#lab"), False)]
    slack.proof = SlackProof(at=now - timedelta(minutes=4), seconds=0.6)


def _long_lines(stage: Stage) -> None:
    row = "GET /very/long/path?" + "&".join(f"parameter{n}=value{n}" for n in range(14))
    stage.bench.host.journal["hello-bot.service"] = [f"{n:03} {row}" for n in range(1, 200)]


def _silent(stage: Stage) -> None:
    stage.bench.host.journal["hello-bot.service"] = []


def _by_hand(stage: Stage) -> None:
    stage.bench.host.add_generation("by hand")


def _restarts(*units: str, **more: Json) -> Happening:
    return _plans(units={"stop": [], "start": [], "restart": list(units), "reload": []}, **more)


_MIGRATES = [{"kind": "database", "what": "Forgejo", "old": "7.0.12", "new": "8.0.3", "back": False}]
_GOES_BACK = [{"kind": "database", "what": "Forgejo", "old": "8.0.3", "new": "7.0.12", "back": True}]
_COMMITS = [
    {"commit": f"{n}c0ffee" * 5, "subject": subject, "author": "Dora"}
    for n, subject in enumerate(("Greet more warmly", "Test the greeting", "Say who is greeted, and in which language"))
]
_REBOOT = {"code": "needs-reboot", "message": "Its init cannot take over from the one that runs: that takes a reboot."}
_NEVER = "this host's configuration says of hello-bot: never by itself"

#: What happens.
HAPPENINGS: dict[str, Happening] = {
    "every edit is shown": _every_edit,
    "the host cannot be reached": _away,
    "the host is at work": _at_work,
    "the host has done its work": _finished,
    "somebody switches the host by hand": _by_hand,
    "it changes nginx, too": _restarts("hello-bot.service", "nginx.service", foreign=["nginx.service"]),
    "it changes nginx": _restarts("nginx.service", foreign=["nginx.service"], moves={}),
    "the host is rebooted": _rebooted,
    "the build fails": _ends(
        "prepare",
        status="failed",
        error={"code": "build", "message": "The build failed."},
        derivation="hello-bot-1.1.drv",
        tail=["running 12 tests", "test greeting ... FAILED", "error: builder failed with exit code 101"],
    ),
    "the new version does not start": _ends(
        "activate", status="reverted", why="hello-bot.service failed.", failed_units=_FAILED
    ),
    "it is not to be undone by itself, and does not start": _ends(
        "activate", keeps=_NEVER, faults=["hello-bot.service has failed"], failed_units=_FAILED, base_generation=31
    ),
    "going back fails, too": _ends("activate", status="failed", why="the old system did not come up"),
    "it takes a reboot": _ends("activate", status="refused", error=_REBOOT),
    "all goes well again": lambda stage: stage.bench.host.endings.clear(),
    "the forge is away": _forge_away,
    "the forge is back": _forge_back,
    "hello-bot does not answer": _ill,
    "Slack is not reached": _slack_quiet,
    "the app was put out of a channel": _put_out,
    "there was talk two minutes ago": _talk,
    "hello-bot has long lines in its log": _long_lines,
    "hello-bot has said nothing": _silent,
    "it restarts the homeserver": _restarts("hello-bot.service", "conduwuit.service"),
    "it migrates a database": _plans(hazards=_MIGRATES),
    "it goes back over a database": _plans(hazards=_GOES_BACK),
    "it brings three commits": _plans(
        commits=_COMMITS,
        closure=["hello-bot: 1.0 → 1.1, +12.3 KiB", "python3: 3.12.7 → 3.12.8, +1.2 MiB"],
    ),
}


async def happen(stage: Stage, sentence: str) -> None:
    """Let something be the case. Raises LookupError for what nobody knows."""
    if passes := _PASSES.fullmatch(sentence):
        stage.bench.clock.pass_time(timedelta(**{passes[2]: int(passes[1])}).total_seconds())
        return
    if sentence not in HAPPENINGS:
        raise LookupError(f"Nobody knows what ({sentence}) is; there are: {', '.join([*SETTINGS, *HAPPENINGS])}")
    done = HAPPENINGS[sentence](stage)
    if done is not None:
        await done
