"""What was typed in Slack while something went wrong, and what became of it."""

import re
from collections.abc import Callable

from opsbot.standin import samples
from opsbot.workspace.model import Channel
from opsbot.workspace.team import Seen
from tests.bridge.crossing import Crossing, until
from tests.transcripts import ROOT, WRITES

PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- the bridge -->", "<!-- /the bridge -->"
_WITHIN = 100.0


def rows() -> dict[str, str]:
    """Return the rows of the page's table by what was done."""
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def release(whole: Crossing) -> None:
    """Give hello-bot a commit that nobody has deployed yet."""
    assert whole.machine is not None
    project = whole.machine.repositories.projects["hello-bot"]
    version = f"2.{len(project.log())}"
    project.commit(f"Release {version}", samples.project("hello-bot", version, tested=False))


class Tally:
    """Counts for one thing that goes wrong: commands, and deploys among them."""

    def __init__(self, whole: Crossing, channel: Channel | None = None) -> None:
        self._whole = whole
        self._channel = channel or whole.ops
        self._asked: list[str] = []
        self._deploys: list[str] = []

    def ask(self, words: str) -> str:
        """Type a command that only answers."""
        ts = self._whole.team.say(self._whole.alice, self._channel, words)
        self._asked.append(ts)
        return ts

    def deploy(self) -> str:
        """Type a deploy that has something to do."""
        release(self._whole)
        ts = self._whole.team.say(self._whole.dora, self._channel, "!deploy hello-bot")
        self._deploys.append(ts)
        return ts

    async def at_work(self, ts: str) -> None:
        """Wait until Slack shows a deploy at work."""
        await self._until(lambda: any("▶" in seen.text for seen in self._told(ts)))

    async def done_on_matrix(self) -> None:
        """Wait until the homeserver has the last deploy's closing message, whatever Slack shows."""
        portal, dora = await self._whole.portal(self._channel), f"-{self._whole.dora.id.lower()}:"

        async def done() -> bool:
            lines = await self._whole.opsbot.lines(portal)
            last = max((place for place, line in enumerate(lines) if dora in line.sender), default=len(lines))
            return any("(#" in line.body and "dora)" in line.body for line in lines[last:])

        await until(done, lambda: self._whole.log.read_text()[-3000:], within=_WITHIN)

    async def over(self) -> None:
        """Wait until every command is answered, and every deploy's report and closing message show its end."""
        await self._until(lambda: all(map(self._told, self._asked)))
        await self._until(lambda: all(any(map(_is_over, self._told(ts))) for ts in self._deploys))
        await self._until(lambda: all(map(self._closings, self._deploys)))

    async def _until(self, holds: Callable[[], bool]) -> None:
        async def held() -> bool:
            return holds()

        def instead() -> str:
            return "\n".join(map(str, self._seen())) + f"\n{self._whole.log.read_text()[-3000:]}"

        await until(held, instead, within=_WITHIN)

    def _seen(self) -> list[Seen]:
        return self._whole.team.see(self._channel)

    def _told(self, ts: str) -> list[Seen]:
        return [seen for seen in self._seen() if seen.thread == ts]

    def _closings(self, ts: str) -> list[Seen]:
        """Return the messages in the channel that tell the end of a deploy."""
        number = re.search(r"#\d+", self._told(ts)[0].text)
        assert number is not None
        lines = [seen for seen in self._seen() if seen.thread is None and seen.who == "opsbot"]
        return [seen for seen in lines if f"({number[0]}, dora)" in seen.text]

    def row(self, fault: str) -> str:
        """Return the table's row."""
        typed = [*self._asked, *self._deploys]
        told = [len(self._told(ts)) for ts in typed]
        closings = [len(self._closings(ts)) for ts in self._deploys]
        twice = sum(max(count - 1, 0) for count in told)
        lost = [*told, *closings].count(0)
        again = sum(max(count - 1, 0) for count in closings)
        return f"| {fault} | {len(typed)} | {twice} | {len(closings)} | {lost} | {again} |"

    async def holds(self, fault: str) -> None:
        """Compare with the page, when nothing more can come."""
        await self._whole.quiet()
        row = self.row(fault)
        if WRITES:
            _write(fault, row)
        assert rows().get(fault) == row, "Run `SNAPSHOTS=write make test-bridge`, and look at the difference."


def _is_over(seen: Seen) -> bool:
    return seen.edits > 0 and "⏳" not in seen.text


def _write(fault: str, row: str) -> None:
    text = PAGE.read_text()
    if (known := rows().get(fault)) is not None:
        PAGE.write_text(text.replace(known, row))
    else:
        PAGE.write_text(text.replace(END, f"{row}\n{END}"))
