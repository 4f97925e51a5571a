"""`opsbot policy test`: what an admin expects, held against what the configuration decides."""

from collections.abc import Iterable, Iterator

from opsbot.check import Line, fails
from opsbot.config.expectations import Expected
from opsbot.errors import OpsbotError
from opsbot.rulebook import Rulebook


def judge(book: Rulebook, table: Iterable[Expected]) -> Iterator[Line]:
    """Yield a line for each row; one that is not ok says what is decided instead, and where that stands."""
    for row in table:
        yield _judge(book, row)


def _judge(book: Rulebook, row: Expected) -> Line:
    what = f"{row.person}: {row.says}"
    person, room = book.person(row.person), row.room or book.config.rooms[0]
    if person.name != row.person:
        return fails(what, f"there is no {row.person} among people.")
    if room not in book.config.rooms and not (
        room[:1] != "!" and book.config.bridge and book.config.bridge.hears(room)
    ):
        return fails(what, f"there is no {room} among rooms, and no channel of Slack that is heard.")
    name, _, rest = row.says.strip().removeprefix(book.config.prefix).partition(" ")
    try:
        decision = book.decide(person, book.parse(name.lower(), rest), frozenset({room}))
    except OpsbotError as error:
        return fails(what, str(error).splitlines()[0])
    said = f"{'may' if decision.allowed else 'may not'}: {decision.words}"
    well = decision.allowed is row.may and row.because.lower() in decision.words.lower()
    return Line(what=what, sentence=said if well else f"wanted {_wanted(row)}, but {said}", ok=well)


def _wanted(row: Expected) -> str:
    because = f" because of “{row.because}”" if row.because else ""
    return ("may" if row.may else "may not") + because
