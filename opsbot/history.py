"""`opsbot history`: the audit on the command line, and whether anybody has changed it."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path

from opsbot.config import Config, load
from opsbot.connect import database_place
from opsbot.credentials import Credentials
from opsbot.errors import ConfigError
from opsbot.render.audit import line_text
from opsbot.store.address import Place, is_sqlite
from opsbot.store.audit import Audit
from opsbot.store.database import Database
from opsbot.testimony import AuditLine

_PAGE = 500


async def history(path: Path, environ: Mapping[str, str], *, as_json: bool, verify: bool) -> int:
    """Write every line of the audit, as text or as one JSON object each; or only say whether the chain holds.

    Returns the exit status: 1 when it does not. Raises ConfigError.
    """
    config = load(path, environ)
    database = Database(_there(database_place(config, Credentials.of(environ, config.credentials))))
    try:
        audit = Audit(database)
        if verify:
            return await _verify(audit)
        async for line in _lines(audit):
            sys.stdout.write(_as_json(line) if as_json else _as_text(line, config))
    except (ValueError, TypeError):
        raise ConfigError("A line of the audit is none of ours; `opsbot history --verify` says which.") from None
    else:
        return 0
    finally:
        await database.close()


def _there(where: Place) -> Place:
    # Opening a file that is not there makes an empty one, of which nothing would be wrong.
    if is_sqlite(where) and not Path(where.database or "").is_file():
        raise ConfigError(f"There is no database at {where.database}; the bot makes it when it first starts.")
    return where


async def _lines(audit: Audit) -> AsyncIterator[AuditLine]:
    last = 0
    while page := await audit.after(last, limit=_PAGE):
        for line in page:
            yield line
        last = page[-1].number


async def _verify(audit: Audit) -> int:
    if (number := await audit.broken_at()) is not None:
        sys.stdout.write(f"The chain is broken at line {number}: it, or one before it, was changed or taken away.\n")
        return 1
    newest: AuditLine | None = None
    async for line in _lines(audit):
        newest = line
    if newest is None:
        sys.stdout.write("The audit is empty.\n")
        return 0
    # Whoever cuts off the end leaves a whole chain: that is seen where the lines were told.
    sys.stdout.write(
        f"The chain holds up to line {newest.number}, {newest.hash}. The journal and the audit's room have the same.\n"
    )
    return 0


def _as_json(line: AuditLine) -> str:
    return json.dumps(asdict(line) | {"at": line.at.isoformat()}, ensure_ascii=False) + "\n"


def _as_text(line: AuditLine, config: Config) -> str:
    return f"{line.number} {line_text(line, config.zone).body}\n".replace("\n", " ").rstrip() + "\n"
