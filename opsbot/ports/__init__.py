"""The shapes of the outside: what the logic asks for, and the edges and the fakes give."""

from opsbot.ports.memory import MOST_OPEN, Audit, Deliveries, Diary, Inbox, Jobs, Outbox, Records, Storage
from opsbot.ports.world import Chat, Clock, Engine, Forge, Host, Outside, Run, Slack

__all__ = [
    "MOST_OPEN",
    "Audit",
    "Chat",
    "Clock",
    "Deliveries",
    "Diary",
    "Engine",
    "Forge",
    "Host",
    "Inbox",
    "Jobs",
    "Outbox",
    "Outside",
    "Records",
    "Run",
    "Slack",
    "Storage",
]
