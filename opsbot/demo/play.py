"""`opsbot demo`: build the world in a temporary folder, let somebody talk in it, and take it away."""

import sys
import tempfile
from pathlib import Path

from opsbot.demo.conversation import Conversation
from opsbot.demo.prompt import Prompt
from opsbot.demo.script import play, read
from opsbot.demo.stage import Stage

#: Seconds between two lines of a build's log: slow enough to be seen.
_PACE = 0.25


async def demo(script: Path | None) -> int:
    """Run the demo, with a SCRIPT or at the terminal; return the exit status."""
    lines = None if script is None else read(script)
    with tempfile.TemporaryDirectory(prefix="opsbot-demo-") as folder:
        sys.stderr.write("The demo starts:\n")
        async with Stage.open(Path(folder), pace=_PACE, tell=_tell) as stage:
            if lines is not None:
                return await play(Conversation(stage), lines)
            return await Prompt(stage).run()


def _tell(words: str) -> None:
    sys.stderr.write(f"  {words}\n")
