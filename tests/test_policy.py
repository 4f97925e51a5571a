import pytest

from opsbot import PLATFORM, Project, Target
from opsbot.model import STRANGER, Level, Person
from opsbot.policy import decide, decide_plan

ADMIN = Person(name="dan", level=Level.ADMIN)
DEPLOYER = Person(name="eve", level=Level.DEPLOYER)
OF_HELLO = Person(name="ann", level=Level.DEPLOYER, projects=frozenset({"hello-bot"}))
CONTRIBUTOR = Person(name="ann", level=Level.CONTRIBUTOR)
MEMBER = Person(name="bob", level=Level.MEMBER)


@pytest.mark.parametrize(
    ("person", "needs", "arguments", "allowed", "reason"),
    [
        (STRANGER, Level.STRANGER, {}, True, "this needs stranger"),
        (STRANGER, Level.MEMBER, {}, False, "you are nobody that I know"),
        (MEMBER, Level.MEMBER, {}, True, "bob is member"),
        (MEMBER, Level.DEPLOYER, {}, False, "this needs the level deployer; bob is member"),
        (DEPLOYER, Level.DEPLOYER, {"project": Project("web-shop")}, True, "eve is deployer"),
        (OF_HELLO, Level.DEPLOYER, {"project": Project("hello-bot")}, True, "ann is deployer"),
        (OF_HELLO, Level.DEPLOYER, {"project": Project("web-shop")}, False, "deployer for hello-bot, not for web-shop"),
        (OF_HELLO, Level.DEPLOYER, {"target": Target(project=Project("web-shop"))}, False, "not for web-shop"),
        (DEPLOYER, Level.DEPLOYER, {"project": PLATFORM}, False, "the platform is for admins"),
        (CONTRIBUTOR, Level.DEPLOYER, {"project": PLATFORM, "dry_run": True}, True, "ann is contributor"),
        (CONTRIBUTOR, Level.DEPLOYER, {"project": Project("web-shop")}, False, "this needs the level deployer"),
        (MEMBER, Level.DEPLOYER, {"project": Project("web-shop"), "dry_run": True}, False, "the level contributor"),
        (ADMIN, Level.DEPLOYER, {"project": PLATFORM}, True, "dan is admin"),
    ],
)
def test_denied_unless_granted(
    person: Person, needs: Level, arguments: dict[str, object], *, allowed: bool, reason: str
) -> None:
    """Each decision has its reason: the level, and for a deployer the projects."""
    decision = decide(person, needs=needs, arguments=arguments)

    assert decision.allowed is allowed
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("person", "moves", "foreign", "allowed"),
    [
        (OF_HELLO, {"hello-bot"}, [], True),
        (OF_HELLO, {"hello-bot", "web-shop"}, [], False),
        (DEPLOYER, {"hello-bot", "web-shop"}, [], True),
        (DEPLOYER, {"hello-bot"}, ["etc/sudoers"], False),
        (ADMIN, {"hello-bot"}, ["etc/sudoers"], True),
        (MEMBER, set(), [], False),
        (STRANGER, set(), [], False),
    ],
)
def test_a_plan_needs_the_rights_on_all_that_it_moves(
    person: Person, moves: set[str], foreign: list[str], *, allowed: bool
) -> None:
    """What is not a project's own is a change to the platform, and needs an admin."""
    assert decide_plan(person, moves=moves, foreign=foreign).allowed is allowed
