"""The names of emoji that Slack knows here: those that people answer a bot with, and those that a bot might use."""

NAMES = {
    "white_check_mark": "✅",
    "heavy_check_mark": "✔️",
    "x": "❌",
    "+1": "👍",
    "-1": "👎",
    "eyes": "👀",
    "hourglass_flowing_sand": "⏳",
    "hourglass": "⌛",
    "rocket": "🚀",
    "tada": "🎉",
    "warning": "⚠️",
    "no_entry": "⛔",
    "rewind": "⏪",
    "wave": "👋",
    "heart": "❤️",
    "thinking_face": "🤔",
    "100": "💯",
}
#: Those that come in different tones of skin; a reaction may name a tone with any.
TONED = frozenset({"+1", "-1", "wave"})
#: A tone is said behind the name: `+1::skin-tone-4`.
TONES = {f"skin-tone-{number}": chr(0x1F3FB + number - 2) for number in range(2, 7)}


def is_known(name: str) -> bool:
    """Tell whether Slack has an emoji of this name."""
    base, _, tone = name.partition("::")
    return base in NAMES and (not tone or tone in TONES)
