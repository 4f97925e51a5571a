"""What the systemd units do, each for one job."""

from opsbot.onhost.activate import activate
from opsbot.onhost.config import Config
from opsbot.onhost.errors import HostError
from opsbot.onhost.prepare import prepare
from opsbot.onhost.publish import publish
from opsbot.onhost.revert import reason_for, revert
from opsbot.onhost.verbs import request

__all__ = ["revert", "unit"]


def unit(config: Config, verb: str, job: str) -> None:
    """Do what a unit was started for."""
    match verb:
        case "prepare":
            prepare(config, job, lambda said: request("prepare", said))
        case "activate":
            activate(config, job, request)
        case "revert":
            revert(config, job, reason_for(config, job))
        case "publish":
            publish(config, job)
        case _:
            raise HostError("bad-request", f"There is no unit for {verb}.")
