"""Somebody who works at the console of a host in memory, and what the host tells of it."""

from opsbot.model import Json


class Bystander:
    """The part of a host in memory that does not wait for the bot."""

    #: The parts of each job, by their name.
    jobs: dict[str, dict[str, Json]]

    def _list(self, given: Json) -> Json:
        del given
        parts = ("prepare", "activate", "publish")
        return [
            {
                "job": job,
                "project": None,
                "asked": 0.0,
                **{part: (state.get(part) or {}).get("status") for part in parts},
                "console": state.get("console"),
            }
            for job, state in self.jobs.items()
        ]

    def at_console(self, job: str, verb: str, status: str, *, at: float) -> None:
        """Let a person confirm or revert a job at the host's console, AT some time."""
        self.activated(job, status)
        self.jobs[job]["console"] = {"verb": verb, "by": "dan", "at": at}

    def activated(self, job: str, status: str) -> None:
        """Let a job's activation be in a status, behind the bot's back."""
        parts = self.jobs.setdefault(job, {})
        parts["activate"] = {**parts.get("activate", {}), "status": status}
