"""What the configuration lets plugins do without a person who asks, and where their words go."""

from collections.abc import Iterator, Mapping

from opsbot.config import Config
from opsbot.triggers.functions import Schedule
from opsbot.typed import suggestion


def room_of(schedule: Schedule, config: Config) -> str:
    """Return the room that a schedule speaks in: the configuration's word, else its plugin's, else the first room."""
    entry = config.schedules.get(schedule.name)
    return (entry.room if entry else "") or schedule.room or config.rooms[0]


def faults(config: Config, schedules: Mapping[str, Schedule]) -> Iterator[str]:
    """Yield a sentence for everything that cannot be as configuration and plugins want it."""
    for name in config.schedules.keys() - schedules.keys():
        yield f"No plugin has the schedule {name} of `schedules`.{suggestion(name, schedules)}"
    for schedule in schedules.values():
        if (room := room_of(schedule, config)) not in config.rooms:
            yield (
                f"The schedule {schedule.name} of the plugin {schedule.plugin} does not run: {room} is not among "
                f"`rooms`. Give it another room: `schedules: {{{schedule.name}: {{room: …}}}}`."
            )


def granted(config: Config, schedules: Mapping[str, Schedule]) -> dict[str, Schedule]:
    """Return the schedules that speak in a room of the configuration."""
    return {name: one for name, one in schedules.items() if room_of(one, config) in config.rooms}
