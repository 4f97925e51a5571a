"""How much of everything is done."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of commands, rooms, lines and repetitions; times in seconds."""

    trips: int = 300
    rounds: int = 60
    burst: int = 500
    away: int = 40
    kill_burst: int = 100
    kills: int = 3
    rooms: int = 200
    chatter: int = 10
    starts: int = 3
    #: Until what was said in a room is too old to be run.
    silence: float = 125.0
    outage: float = 45.0
    outages: int = 2
    statuses: int = 20
    deploys: int = 5
    lines: int = 200_000


FULL = Sizes()
QUICK = Sizes(
    trips=40,
    rounds=20,
    burst=50,
    away=20,
    kill_burst=30,
    kills=1,
    rooms=30,
    chatter=5,
    starts=2,
    silence=0.0,
    outage=5.0,
    outages=1,
    statuses=4,
    deploys=1,
    lines=20_000,
)
