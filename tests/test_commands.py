from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsbot import LAST_PROVED, MAIN, NO_WORDS, Project, Revision, Target, UsageError, Words
from opsbot.commands import Command, command_from
from opsbot.model import Level
from opsbot.parsing import parse
from opsbot.typed import split

CHOICES = {Project: ("hello-bot", "platform", "web-shop"), Target: ("hello-bot", "web-shop")}


async def deploy(
    project: Project, revision: Revision = MAIN, *, dry_run: bool = False, reason: Words = NO_WORDS
) -> str:
    """Put REVISION of PROJECT on its host."""
    return f"{project} {revision} {dry_run} {reason}"


async def rollback(target: Target = LAST_PROVED) -> str:
    """Go back."""
    return str(target)


async def lines(count: int) -> str:
    """Show COUNT lines."""
    return str(count)


def made(function: Callable[..., Any]) -> Command:
    """Make a command of a test's function."""
    return command_from(function, name=function.__name__, needs=Level.MEMBER)


DEPLOY = made(deploy)


def arguments(text: str, command: Command = DEPLOY) -> dict[str, object]:
    """Parse what was typed after the command's name."""
    return dict(parse(command, split(text), choices=CHOICES).arguments)


def test_a_signature_is_the_usage() -> None:
    """The usage line is the signature: places in capitals, options with dashes, brackets for what may be left out."""
    assert DEPLOY.usage == "deploy PROJECT [REVISION] [--dry-run] [--reason REASON]"
    assert made(lines).usage == "lines COUNT"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hello-bot", {"project": Project("hello-bot")}),
        ("hello-bot v1.0", {"project": Project("hello-bot"), "revision": Revision("v1.0")}),
        ("--dry-run hello-bot", {"dry_run": True, "project": Project("hello-bot")}),
        ("hello-bot —dry-run", {"project": Project("hello-bot"), "dry_run": True}),
        ("hello-bot --reason it was time", {"project": Project("hello-bot"), "reason": "it was time"}),
        ("hello-bot --reason=“it was time”", {"project": Project("hello-bot"), "reason": "it was time"}),
        ("hello-bot —reason it’s “late” – again", {"project": Project("hello-bot"), "reason": "it's late – again"}),
        (
            "hello-bot --reason don't ask —dry-run",
            {"project": Project("hello-bot"), "reason": "don't ask", "dry_run": True},
        ),
        ("hello-bot –Reason slow —we go on", {"project": Project("hello-bot"), "reason": "slow —we go on"}),
        ("hello-bot --reason slow -- so slow", {"project": Project("hello-bot"), "reason": "slow -- so slow"}),
        ("hello-bot —dry_run", {"project": Project("hello-bot"), "dry_run": True}),
        ("-dry-run hello\u2011bot", {"project": Project("hello-bot"), "dry_run": True}),
        ("«hello-bot» “v1”", {"project": Project("hello-bot"), "revision": Revision("v1")}),
        ("-- hello-bot", {"project": Project("hello-bot")}),
        (
            "hello-bot --reason a b --dry-run",
            {"project": Project("hello-bot"), "reason": "a b", "dry_run": True},
        ),
    ],
)
def test_words_find_their_places(text: str, expected: dict[str, object]) -> None:
    """Options may stand anywhere; Slack's dashes and quotes count as what was meant; a reason may be many words."""
    assert arguments(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "PROJECT is missing. `!projects` lists them."),
        ("helo-bot", "There is no project `helo-bot`. Did you mean `hello-bot`?"),
        ("hello-bot main more", "`more` is one word too many."),
        ("hello-bot --dry", "`deploy` has no option `--dry`. Did you mean `--dry-run`?"),
        ("hello-bot --dry-run=yes", "`--dry-run` takes no value."),
        ("hello-bot --reason", "`--reason` needs a value."),
        ("hello-bot --dry-run --dry-run", "`--dry-run` is there twice."),
        ("hello-bot 'main", "There is a quotation mark without its partner: add that, or take this one out."),
        ("hello-bot \\", "There is a backslash at the end, with nothing after it."),
        ("HELLO-BOT", "There is no project `HELLO-BOT`. Did you mean `hello-bot`?"),
        ("hello-bot —dry", "`deploy` has no option `--dry`. Did you mean `--dry-run`?"),
        ("42", "There is no project `42`."),
        ("x" * 4001, "That is too long for a command: 4,001 characters, where 4,000 is the most."),
        ("x " * 500, "There is no project `x`."),
        ("x" * 3000, "There is no project `" + "x" * 59 + "…`."),
        ("'hello-bot; reboot'", "There is no project `hello-bot; reboot`. Did you mean `hello-bot`?"),
        ("../../x", "There is no project `../../x`. `!projects` lists them."),
        ("hello-bot --upload-pack=x", "has no option"),
        ("hello-bot -x", "`deploy` has no option `--x`."),
        ("hello-bot a..b", "A revision is the name of a branch"),
        ("hello-bot 'main$(reboot)'", "A revision is the name of a branch"),
    ],
)
def test_the_one_thing_that_is_wrong_is_named(text: str, problem: str) -> None:
    """Wrong arguments get the one thing that is wrong."""
    with pytest.raises(UsageError) as caught:
        arguments(text)

    assert problem in str(caught.value)


def test_a_number_is_a_generation() -> None:
    """`!rollback` takes a project or the number of a generation."""
    assert arguments("31", made(rollback)) == {"target": Target(generation=31)}
    assert arguments("web-shop", made(rollback)) == {"target": Target(project=Project("web-shop"))}
    with pytest.raises(UsageError, match="COUNT is a number, like 20, not `x`"):
        arguments("x", made(lines))


async def no_docstring() -> str:  # noqa: D103 - that is the point
    return ""


async def no_annotation(x) -> str:  # type: ignore[no-untyped-def]  # noqa: ANN001 - that is the point
    """Have a parameter that nothing parses."""
    return str(x)


async def no_parser(x: object) -> str:
    """Have a parameter whose type has no parser."""
    return str(x)


def not_async() -> str:
    """Be no coroutine."""
    return ""


@pytest.mark.parametrize("function", [no_docstring, no_annotation, no_parser, not_async])
def test_a_bad_signature_fails_when_it_loads(function: Callable[..., Any]) -> None:
    """What a plugin lacks is told when it loads, not at midnight."""
    with pytest.raises(TypeError):
        made(function)


@given(st.text(max_size=200))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever is typed is parsed, or answered with a sentence."""
    with suppress(UsageError):
        assert arguments(text)["project"] in {Project(name) for name in CHOICES[Project]}
