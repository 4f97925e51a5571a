"""What the configuration lets plugins do without a person who asks, and where their words go."""

from collections.abc import Iterator, Mapping

from opsbot.config import Config
from opsbot.triggers.functions import Hook, Schedule
from opsbot.typed import suggestion


def room_of(schedule: Schedule, config: Config) -> str:
    """Return the room that a schedule speaks in: the configuration's word, else its plugin's, else the first room."""
    entry = config.schedules.get(schedule.name)
    return (entry.room if entry else "") or schedule.room or config.rooms[0]


def faults(config: Config, schedules: Mapping[str, Schedule], hooks: Mapping[str, Hook]) -> Iterator[str]:
    """Yield a sentence for everything that cannot be as configuration and plugins want it."""
    for kind, named, there in (("schedule", config.schedules, schedules), ("hook", config.hooks, hooks)):
        for name in sorted(named.keys() - there.keys()):
            yield f"No plugin has the {kind} {name} of `{kind}s`.{suggestion(name, there)}"
    for schedule in schedules.values():
        if (room := room_of(schedule, config)) not in config.rooms:
            yield (
                f"The schedule {schedule.name} of the plugin {schedule.plugin} does not run: {room} is not among "
                f"`rooms`. Give it another room: `schedules: {{{schedule.name}: {{room: …}}}}`."
            )


def notes(config: Config, hooks: Mapping[str, Hook]) -> Iterator[str]:
    """Yield a sentence for everything that plugins offer and the configuration does not want."""
    for name in sorted(hooks.keys() - config.hooks.keys()):
        yield f"The hook {name} of the plugin {hooks[name].plugin} answers nobody: `hooks` does not name it."


def granted(config: Config, schedules: Mapping[str, Schedule]) -> dict[str, Schedule]:
    """Return the schedules that speak in a room of the configuration."""
    return {name: one for name, one in schedules.items() if room_of(one, config) in config.rooms}
