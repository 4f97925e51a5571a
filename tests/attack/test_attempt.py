import pytest

from tests.attack.attempt import Attempt, End, Result, Told, passed, report
from tests.attack.watch import changed
from tests.attack.world import World


async def _act(world: World) -> Told:
    raise NotImplementedError(world)


def attempt(*refused: str, audited: str | None = None) -> Attempt:
    """An attempt that must be refused with these words."""
    return Attempt(what="a try", by="somebody", act=_act, refused=refused, audited=audited)


NO = Told(words="No: this needs the level admin.", event="$1")


def test_a_refusal_with_its_words_and_its_line_is_one() -> None:
    """What is answered with the words of a refusal, and is a no in the audit, has not passed."""
    assert passed(attempt("No: "), NO, [], []) is None
    assert passed(attempt("No: ", audited="eve"), NO, [], [("eve", False)]) is None
    assert passed(attempt(), Told(words=""), [], []) is None


@pytest.mark.parametrize(
    ("tried", "told", "changes", "audited", "why"),
    [
        (attempt("No: "), NO, ["file etc/x"], [], "the host has changed: file etc/x"),
        (attempt("No: "), Told(words="Done."), [], [], "it was not refused with 'No: '"),
        (attempt("No: ", "admin", "twice"), NO, [], [], "it was not refused with 'twice'"),
        (attempt(), NO, [], [], "it was answered"),
        (attempt("No: ", audited="eve"), NO, [], [("eve", True)], "the audit has no line that says no to it"),
        (attempt("No: ", audited="eve"), NO, [], [("stranger", False)], "the audit has no line that says no to it"),
    ],
)
def test_everything_else_has_passed(
    tried: Attempt, told: Told, changes: list[str], audited: list[tuple[str, bool]], why: str
) -> None:
    """An attempt that changes the host, is answered otherwise, or is not denied in the audit, has passed."""
    assert passed(tried, told, changes, audited) == why


def test_what_came_went_or_differs_is_a_change() -> None:
    """The host has changed where anything came, went, or is another."""
    assert changed({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"}) == ["b", "c", "d"]


def test_one_that_passes_fails_all() -> None:
    """`make attack` ends well when none has passed, and else names those that have."""
    said: list[str] = []
    well = Result(attempt=attempt("No"), words="No", end=End.REFUSED)
    assert report([well], said.append) == 0
    assert (
        report([well, Result(attempt=attempt("No"), words="Yes", end=End.PASSED, why="it was answered")], said.append)
        == 1
    )
    assert "PASSED: a try: it was answered" in said[1]
    assert said[-1] == "2 attempts, 1 refused, 1 passed."
