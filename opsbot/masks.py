"""What must not be shown: the secrets that were read, and what looks like one."""

import re
from urllib.parse import quote

#: What stands in place of a secret.
MASK = "[masked]"
#: Characters of the shortest line that is masked: less is part of ordinary words.
_SHORTEST = 6

#: A scheme with its token, which an ordinary word is not; the tokens of Slack, Synapse and the forges; what is called a
#: token, a password or a secret, in an address, a variable or JSON; who one is in an address; and a private key.
_LOOKS = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic|token)\s+)(?:[\w.~+/=-]{24,}|(?=[\w.~/-]*(?:[0-9=+]|(?-i:[a-z][A-Z])))[\w.~+/=-]{8,})"
    r"|\bx(?:ox[a-z]|app)-[\w-]+"
    r"|\b(?:syt|gh[pousr]|github_pat|glpat)[_-][\w-]{3,}"
    r"|(?P<name>(?:token|passw(?:or)?d|secret|api_?key)=)[^\s&\"']+"
    r"|(?P<json>\"[\w-]*(?:token|password|secret)\"\s*:\s*\")[^\"]+"
    r"|(?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)"
    r"|(?P<alone>://)[^\s/:@]{20,}(?=@)"
    r"|(?P<key>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*-----|\Z)",
    re.IGNORECASE | re.DOTALL,
)


class Masks:
    """Knows secrets, and takes them out of texts."""

    def __init__(self) -> None:
        self._known: tuple[str, ...] = ()

    def learn(self, secret: str) -> None:
        """Know one more secret: whole, line by line, and as it stands in an address."""
        lines = [line.strip() for line in secret.splitlines() if not line.startswith("-----")]
        new = {form for line in lines if len(line) >= _SHORTEST for form in (line, quote(line, safe=""))}
        # The longest first: a secret may be part of another.
        self._known = tuple(sorted({*self._known, *new}, key=len, reverse=True))

    def over(self, text: str) -> str:
        """Return a text without what must not be shown."""
        for secret in self._known:
            text = text.replace(secret, MASK)
        return _LOOKS.sub(_mask, text)


def _mask(found: re.Match[str]) -> str:
    kept = ("scheme", "name", "json", "user", "alone", "key")
    return next((found[name] for name in kept if found[name]), "") + MASK
