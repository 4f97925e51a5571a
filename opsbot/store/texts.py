"""What no table and no homeserver would take inside a text."""

_UNSENDABLE = {code: None for code in range(32) if chr(code) not in "\n\t"}


def clean(words: str) -> str:
    """Return words without control characters, and without halves of characters."""
    return words.encode("utf-8", "replace").decode().translate(_UNSENDABLE)
