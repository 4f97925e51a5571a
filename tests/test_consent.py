from datetime import UTC, datetime
from typing import Any

import pytest

from opsbot.consent import NOBODY, Approvals, needed
from opsbot.hours import Hours
from opsbot.model import JobKind, Level

UNITS = {"homeserver": "conduwuit.service", "database": "postgresql.service", "hello-bot": "hello-bot.service"}
MONDAY = datetime(2026, 1, 5, 12, tzinfo=UTC)


def plan(*restart: str, **more: Any) -> dict[str, Any]:
    """Return a plan that restarts units."""
    units = {"stop": [], "start": [], "restart": list(restart), "reload": []}
    return {"units": units, "moves": {"hello-bot": ["a", "b"]}, "foreign": [], "kernel_changed": False, **more}


def level(
    approvals: Approvals,
    found: Any,
    *,
    kind: JobKind = JobKind.DEPLOY,
    project: str = "hello-bot",
    now: datetime = MONDAY,
) -> Level:
    """Return the level of the word that a plan needs."""
    return needed(approvals, found, kind=kind, project=project, units=UNITS, now=now, zone=UTC).level


@pytest.mark.parametrize(
    ("approvals", "found", "project", "wanted"),
    [
        ({}, plan(), "hello-bot", NOBODY),
        ({"deploy": Level.DEPLOYER}, plan(), "hello-bot", Level.DEPLOYER),
        ({"deploy": Level.DEPLOYER, "projects": {"hello-bot": NOBODY}}, plan(), "hello-bot", NOBODY),
        ({"projects": {"hello-bot": Level.ADMIN}}, plan(), "hello-bot", Level.ADMIN),
        ({"projects": {"hello-bot": Level.MEMBER}}, plan(moves={}), "web-shop", NOBODY),
        ({"platform": Level.ADMIN}, plan(), "hello-bot", NOBODY),
        ({"platform": Level.ADMIN}, plan(foreign=["etc/sudoers"]), "hello-bot", Level.ADMIN),
        ({"platform": Level.ADMIN}, plan(moves={}), "platform", Level.ADMIN),
        ({"projects": {"hello-bot": Level.ADMIN}}, plan(), "platform", Level.ADMIN),
        ({"risky": Level.ADMIN}, plan("hello-bot.service"), "hello-bot", NOBODY),
        ({"risky": Level.ADMIN}, plan("conduwuit.service"), "hello-bot", Level.ADMIN),
        ({"risky": Level.ADMIN}, plan("postgresql.service"), "hello-bot", Level.ADMIN),
        ({"risky": Level.ADMIN}, plan("sshd.service"), "hello-bot", Level.ADMIN),
        ({"risky": Level.ADMIN}, plan(kernel_changed=True), "hello-bot", Level.ADMIN),
        ({"risky": Level.ADMIN}, plan(hazards=["Forgejo 7 → 8."]), "hello-bot", Level.ADMIN),
        ({"risky": Level.MEMBER, "deploy": Level.ADMIN}, plan("sshd.service"), "hello-bot", Level.ADMIN),
    ],
)  # fmt: skip
def test_what_a_deploy_needs(approvals: dict[str, Any], found: Any, project: str, wanted: Level) -> None:
    """A deploy needs the word that its projects need, and that of the platform or a risk where the plan shows one."""
    assert level(Approvals(**approvals), found, project=project) is wanted


def test_going_back_is_asked_for_by_itself() -> None:
    """What a rollback needs is said apart; a risk counts there too, for it is the same risk."""
    approvals = Approvals(deploy=Level.ADMIN, platform=Level.ADMIN, rollback=Level.MEMBER, risky=Level.DEPLOYER)
    assert level(approvals, plan(foreign=["etc/x"]), kind=JobKind.ROLLBACK) is Level.MEMBER
    assert level(approvals, plan("sshd.service"), kind=JobKind.ROLLBACK) is Level.DEPLOYER


def test_out_of_hours_is_a_risk() -> None:
    """Outside of the hours everything is risky; a risk says why."""
    approvals = Approvals(risky=Level.ADMIN, hours=Hours.parse("mon-fri 08:00-18:00"))
    night = MONDAY.replace(hour=3)
    need = needed(approvals, plan(), kind=JobKind.DEPLOY, project="hello-bot", units=UNITS, now=night, zone=UTC)
    assert need.reasons == ("it is outside of mon-fri 08:00-18:00",)
    assert level(approvals, plan()) is NOBODY
