"""Tells each line of the audit to the journal, and to a room: witnesses that the bot's own database cannot change."""

import logging

from opsbot.errors import ChatUnreachableError
from opsbot.letters import Memory
from opsbot.model import Post
from opsbot.render.audit import line_text
from opsbot.site import Site
from opsbot.testimony import AuditLine

log = logging.getLogger(__name__)

_TOLD = "audit.told"
#: Seconds between two looks for new lines.
_LOOK = 2.0


class Witness:
    """Tells lines in their order, none twice to the room; goes on after a restart where it was."""

    def __init__(self, site: Site, memory: Memory) -> None:
        self._site = site
        self._memory = memory

    async def run(self) -> None:
        """Tell every line, for ever."""
        while True:
            try:
                told = await self.tell()
            except ChatUnreachableError:
                told = 0  # the room's id is not known yet
            if not told:
                await self._site.clock.sleep(_LOOK)

    async def tell(self) -> int:
        """Tell the lines that were not told yet; return how many. Raises ChatUnreachableError."""
        last = int(await self._memory.recall(_TOLD) or 0)
        lines = await self._site.audit.after(last)
        for line in lines:
            await self._tell(line)
        if lines:
            await self._memory.remember(_TOLD, str(lines[-1].number))
        return len(lines)

    async def _tell(self, line: AuditLine) -> None:
        about = {"line": line.number, "about": line.kind, "person": line.person, "account": line.account}
        said = {"what": line.what, "allowed": line.allowed, "reason": line.reason, "hash": line.hash}
        log.info("audit", extra=about | said)
        if self._site.config.audit_room is not None:
            room_id = await self._site.chat.room_id(self._site.config.audit_room)
            mark = (line.hash or "")[:12]
            text = line_text(line, self._site.config.zone_of([self._site.config.audit_room]))
            await self._site.outbox.post(Post(cause=f"audit:{line.number}:{mark}", room_id=room_id, text=text))
