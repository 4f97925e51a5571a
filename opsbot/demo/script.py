"""The demo without a person: lines of the form `deployer: !deploy hello-bot`, and what was answered."""

import sys
from pathlib import Path

from opsbot.demo.conversation import Conversation, Exchange
from opsbot.demo.stage import TEAM
from opsbot.errors import UsageError

#: Seconds that one line may take until it is answered to the end.
_WITHIN = 180.0


def read(path: Path) -> list[tuple[str, str]]:
    """Read a script: who says what. Raises UsageError with the line that is none."""
    try:
        rows = path.read_text().splitlines()
    except OSError as error:
        raise UsageError(f"The script {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"The script {path} cannot be read: it is not UTF-8 text.") from None
    said = []
    for number, row in enumerate(rows, 1):
        name, colon, words = (part.strip() for part in row.partition(":"))
        if not row.strip() or row.startswith("#"):
            continue
        if not colon or name not in TEAM or not words:
            raise UsageError(f"{path}, line {number}: write WHO: WORDS, where WHO is one of {', '.join(TEAM)}.")
        said.append((name, words))
    return said


def shown(exchange: Exchange) -> str:
    """Show answers as they stand in the room, each line after the first moved below the first."""
    return "\n".join(spoken(line.body) for line in (*exchange.answers, *exchange.told))


def spoken(body: str) -> str:
    """Show what the bot has said."""
    return "opsbot> " + body.replace("\n", "\n        ")


async def play(conversation: Conversation, script: list[tuple[str, str]]) -> int:
    """Say the lines one after the other and print the conversation; 0 if each was answered to its end, else 1."""
    status = 0
    for name, words in script:
        sys.stdout.write(f"{name}> {words}\n")
        exchange = await conversation.ask(name, words, within=_WITHIN, show=lambda _: None)
        sys.stdout.write(shown(exchange) + "\n\n" if exchange.answers else "")
        if not exchange.ended:
            sys.stdout.write("(no answer)\n\n" if not exchange.answers else "(no end)\n\n")
            status = 1
        sys.stdout.flush()
    return status
