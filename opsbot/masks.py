"""What must not be shown: the secrets that were read, and what looks like one."""

import re
from urllib.parse import quote

#: What stands in place of a secret.
MASK = "[masked]"
#: Characters of the shortest line that is masked: less is part of ordinary words.
_SHORTEST = 4

#: A scheme with its token, Slack's tokens, Synapse's, a token in an address, and a password before a host's name.
_LOOKS = re.compile(
    r"(?P<scheme>\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}"
    r"|\bx(?:ox[a-z]|app)-[\w-]+"
    r"|\bsyt_[\w-]+"
    r"|(?P<name>\b(?:access_token|token|password)=)[^\s&\"']+"
    r"|(?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)",
    re.IGNORECASE,
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
    return (found["scheme"] or found["name"] or found["user"] or "") + MASK
