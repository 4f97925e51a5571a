"""Lines of the audit, as people read them."""

from datetime import tzinfo

from opsbot.model import Text
from opsbot.render.jobs import short
from opsbot.render.text import fit, words
from opsbot.testimony import AuditLine

_ALLOWED = {True: "yes", False: "no"}


def line_text(line: AuditLine, zone: tzinfo) -> Text:
    """Show one line: when, who, what, what was decided and why."""
    who = f"{line.person} ({line.account})" if line.account else line.person
    said = f"{line.what}: {_said(line)}"
    return fit(words(f"{line.at.astimezone(zone):%Y-%m-%d %H:%M:%S} {who}: {said}"))


def _said(line: AuditLine) -> str:
    match line.kind:
        case "end":
            return f"{line.more.get('outcome')}. {line.reason}{_systems(line)}"
        case "word":
            alone = " (alone)" if line.more.get("alone") else ""
            return f"{'agreed' if line.allowed else 'said no'}{alone}. {line.reason}".rstrip()
        case _:
            return f"{_ALLOWED[line.allowed]}, {line.reason}"


def _systems(line: AuditLine) -> str:
    more = line.more
    parts = []
    if more.get("generation") is not None:
        parts.append(f"generation {more.get('generation_before') or '?'} → {more['generation']}")
    if more.get("commit"):
        parts.append(f"commit {short(more['commit'])}")
    parts += [f"{name} {more[name]}" for name in ("base", "system") if more.get(name)]
    if (consent := more.get("consent")) and consent.get("by"):
        parts.append(f"word of {consent['by']}{' (alone)' if consent.get('alone') else ''}")
    return f" [{'; '.join(parts)}]" if parts else ""
