"""All parsers that are fuzzed, by name."""

from tests.fuzz import conversations, hosts, people, programs, sources
from tests.fuzz.tools import PARSERS

__all__ = ["PARSERS", "conversations", "hosts", "people", "programs", "sources"]
