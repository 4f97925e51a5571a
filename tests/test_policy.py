from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from opsbot import PLATFORM, Project, Revision, Target, Unit
from opsbot.model import STRANGER, Decision, Level, Person
from opsbot.policy import ask_for, decide, decide_plan
from opsbot.rules import Ask, Rule, Terms

ADMIN = Person(name="dan", level=Level.ADMIN)
DEPLOYER = Person(name="eve", level=Level.DEPLOYER)
OF_HELLO = Person(name="ann", level=Level.DEPLOYER, projects=frozenset({"hello-bot"}))
CONTRIBUTOR = Person(name="ann", level=Level.CONTRIBUTOR)
MEMBER = Person(name="bob", level=Level.MEMBER)

LOW = Level.CONTRIBUTOR
HOSTS = {"hello-bot": "ops-jrz1", "web-shop": "ops-jrz2", "platform": "ops-jrz1"}


def asking(needs: Level = Level.DEPLOYER, command: str = "deploy", room: str = "", **arguments: Any) -> Ask:
    """Return what a command with these arguments asks for."""
    owners = {"hello-bot.service": Project("hello-bot")}
    rooms = frozenset({room} - {""})
    return ask_for(command, needs, arguments, owners=owners, host_of=HOSTS, rooms=rooms)


def rule(*, allow: bool = False, commands: str = "", unless: Terms | None = None, **terms: Iterable[Any]) -> Rule:
    """Return a rule about commands (all without a name), with its terms."""
    given: dict[str, Any] = {
        key: tuple(words) if key == "revisions" else frozenset(words) for key, words in terms.items()
    }
    return Rule(
        place="rules[1]", allow=allow, commands=frozenset(commands.split()), terms=Terms(**given), unless=unless
    )


@pytest.mark.parametrize(
    ("person", "needs", "arguments", "allowed", "reason"),
    [
        (STRANGER, Level.STRANGER, {}, True, "this needs stranger"),
        (STRANGER, Level.MEMBER, {}, False, "I do not know you yet"),
        (MEMBER, Level.MEMBER, {}, True, "bob is member"),
        (MEMBER, Level.DEPLOYER, {}, False, "this needs the level deployer; bob is member"),
        (DEPLOYER, Level.DEPLOYER, {"project": Project("web-shop")}, True, "eve is deployer"),
        (OF_HELLO, Level.DEPLOYER, {"project": Project("hello-bot")}, True, "ann is deployer"),
        (OF_HELLO, Level.DEPLOYER, {"project": Project("web-shop")}, False, "deployer for hello-bot, not for web-shop"),
        (OF_HELLO, Level.DEPLOYER, {"target": Target(project=Project("web-shop"))}, False, "not for web-shop"),
        (OF_HELLO, Level.DEPLOYER, {"unit": Unit("hello-bot.service")}, True, "ann is deployer"),
        (DEPLOYER, Level.DEPLOYER, {"unit": Unit("nginx.service")}, False, "the platform is for admins"),
        (DEPLOYER, Level.DEPLOYER, {"project": PLATFORM}, False, "the platform is for admins"),
        (DEPLOYER, Level.DEPLOYER, {"force": True}, False, "--force needs the level admin; eve is deployer"),
        (ADMIN, Level.DEPLOYER, {"force": True}, True, "dan is admin"),
        (CONTRIBUTOR, Level.DEPLOYER, {"project": PLATFORM, "dry_run": True}, True, "ann is contributor"),
        (CONTRIBUTOR, Level.DEPLOYER, {"project": Project("web-shop")}, False, "this needs the level deployer"),
        (MEMBER, Level.DEPLOYER, {"project": Project("web-shop"), "dry_run": True}, False, "the level contributor"),
        (ADMIN, Level.DEPLOYER, {"project": PLATFORM}, True, "dan is admin"),
    ],
)
def test_denied_unless_granted(
    person: Person, needs: Level, arguments: dict[str, Any], *, allowed: bool, reason: str
) -> None:
    """Each decision has its reason: the level, and for a deployer the projects."""
    decision = decide(person, asking(needs, **arguments))

    assert decision.allowed is allowed
    assert reason in decision.reason


@pytest.mark.parametrize(
    ("person", "arguments", "place"),
    [
        (DEPLOYER, {"project": Project("web-shop")}, "people.eve.level"),
        (MEMBER, {"project": Project("web-shop")}, "people.bob.level"),
        (OF_HELLO, {"project": Project("web-shop")}, "people.ann.projects"),
        (DEPLOYER, {"project": PLATFORM}, "built in"),
        (STRANGER, {}, "built in"),
    ],
)
def test_a_decision_names_its_place(person: Person, arguments: dict[str, Any], place: str) -> None:
    """A decision says which key of the configuration it comes from, so that an admin finds what to change."""
    assert decide(person, asking(**arguments)).place == place


def hello(room: str = "", revision: str = "main") -> Ask:
    """Return what a deploy of hello-bot asks for."""
    return asking(room=room, project=Project("hello-bot"), revision=Revision(revision))


TRY = hello(revision="try")
ONLY_MAIN = rule(commands="deploy", projects=["hello-bot"], unless=Terms(revisions=("main", "release-*")))


@pytest.mark.parametrize(
    ("about", "person", "ask", "allowed"),
    [
        (rule(allow=True, commands="deploy", people=["ann"], projects=["hello-bot"]), CONTRIBUTOR, hello(), True),
        (rule(allow=True, commands="deploy", people=["bob"], projects=["hello-bot"]), CONTRIBUTOR, hello(), False),
        (rule(allow=True, commands="rollback", people=["ann"]), CONTRIBUTOR, hello(), False),
        (rule(allow=True, commands="deploy", levels=[LOW], projects=["web-shop"]), CONTRIBUTOR, hello(), False),
        (rule(allow=True, commands="deploy", people=["ann"], rooms=["#ops"]), CONTRIBUTOR, hello("#ops"), True),
        (rule(allow=True, commands="deploy", people=["ann"], rooms=["#ops"]), CONTRIBUTOR, hello("#it"), False),
        (rule(allow=True, commands="deploy", people=["ann"], hosts=["ops-jrz2"]), CONTRIBUTOR, hello(), False),
        (rule(allow=True, commands="deploy", people=["ann"], revisions=["main"]), CONTRIBUTOR, hello(), True),
        (rule(allow=True, commands="deploy", people=["ann"], revisions=["main"]), CONTRIBUTOR, TRY, False),
        (rule(allow=True, people=["eve"]), DEPLOYER, asking(project=PLATFORM), False),
        (rule(allow=True, people=["eve"], projects=["platform"]), DEPLOYER, asking(project=PLATFORM), True),
        (rule(allow=True, people=["eve"]), DEPLOYER, asking(force=True), False),
        (rule(allow=True, people=["eve"], options=["force"]), DEPLOYER, asking(force=True), True),
        (rule(commands="deploy", projects=["hello-bot"]), ADMIN, hello(), False),
        (rule(commands="deploy", projects=["web-shop"]), DEPLOYER, hello(), True),
        (rule(commands="rollback"), DEPLOYER, hello(), True),
        (rule(rooms=["#it"]), ADMIN, hello("#it"), False),
        (rule(rooms=["#it"], unless=Terms(people=frozenset({"dan"}))), ADMIN, hello("#it"), True),
        (rule(hosts=["ops-jrz1"]), DEPLOYER, hello(), False),
        (rule(hosts=["ops-jrz2"]), DEPLOYER, hello(), True),
        (ONLY_MAIN, DEPLOYER, hello(), True),
        (ONLY_MAIN, DEPLOYER, hello(revision="release-7"), True),
        (ONLY_MAIN, DEPLOYER, TRY, False),
        (ONLY_MAIN, DEPLOYER, asking(project=Project("web-shop"), revision=Revision("try")), True),
    ],
)  # fmt: skip
def test_rules_are_exceptions_from_the_levels(about: Rule, person: Person, ask: Ask, *, allowed: bool) -> None:
    """A rule that denies catches what it touches; one that allows reaches only what lies wholly within it."""
    decision = decide(person, ask, [about])

    assert decision.allowed is allowed
    usual = decide(person, ask)
    assert decision.place == ("rules[1]" if allowed is not usual.allowed else usual.place)


def test_a_prohibition_goes_before_a_permission() -> None:
    """What one rule denies no other rule allows, in whatever order they stand."""
    allow = rule(allow=True, people=["ann"], projects=["hello-bot"])
    deny = replace(rule(projects=["hello-bot"]), reason="hello-bot rests until Monday.")

    for rules in ([allow, deny], [deny, allow]):
        decision = decide(CONTRIBUTOR, hello(), rules)
        assert (decision.allowed, decision.reason) == (False, "hello-bot rests until Monday.")


def test_a_commit_is_judged_by_the_branch_that_it_is_found_on() -> None:
    """A commit's id says nothing of its branch: it is let in, and judged again when the host has found it."""
    commit = "c0ffee" * 6 + "c0ff"
    assert decide(DEPLOYER, hello(revision=commit), [ONLY_MAIN]).allowed

    def found_on(branch: str) -> Decision:
        ask = replace(hello(), revision=branch)
        return decide_plan(DEPLOYER, ask, [ONLY_MAIN], moves={"hello-bot"}, foreign=[])

    assert found_on("main").allowed
    assert not found_on("try").allowed
    assert not found_on("").allowed


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
    assert decide_plan(person, hello(), moves=moves, foreign=foreign).allowed is allowed


def test_a_rule_lets_a_person_deploy_but_not_change_the_platform() -> None:
    """Who may deploy a project by a rule may not bring a change to the platform along with it."""
    rules = [rule(allow=True, commands="deploy", people=["ann"], projects=["hello-bot"])]

    assert decide_plan(CONTRIBUTOR, hello(), rules, moves={"hello-bot"}, foreign=[]).allowed
    assert not decide_plan(CONTRIBUTOR, hello(), rules, moves={"hello-bot"}, foreign=["etc/sudoers"]).allowed
    assert not decide_plan(CONTRIBUTOR, hello(), rules, moves={"hello-bot", "web-shop"}, foreign=[]).allowed
