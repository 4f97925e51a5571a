"""What persons and the world may do, in any order; after each of it the promises are held."""

import tempfile
from itertools import count
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.model import promises
from tests.model.troubles import TROUBLES, Trouble
from tests.model.world import Parts, World

#: Who may deploy, and who else speaks.
DEPLOYERS = st.sampled_from(["deployer", "admin"])
ANYBODY = st.sampled_from(["deployer", "admin", "contributor"])
PROJECTS = st.sampled_from(["hello-bot", "hello-bot", "web-shop"])
TALK = ["!lock hello-bot tests", "!unlock hello-bot it is over", "!locks", "!generations", "!depoly", "thanks all"]
#: Which job of those that there are, counted from the newest.
WHICH = st.integers(0, 2)
#: Seconds of a moment in a job's life.
MOMENTS = st.integers(0, 1500).map(lambda milliseconds: milliseconds / 1000)
#: The stages of jobs that people see; what matters most happens while it is activated.
STAGES = st.sampled_from(["prepare", "activate", "activate", "activate", "prove", "publish", "ended"])
#: A shared memory is the fastest disk.
_SHARED = Path("/dev/shm")  # noqa: S108 - a folder with a random name is made there


class Model(RuleBasedStateMachine):
    """The world, moved by one thing at a time."""

    #: What it is made of.
    parts = Parts()

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir=_SHARED if _SHARED.is_dir() else None)
        self.world = World(Path(self._folder.name), self.parts)
        self._asked = count(2)

    @initialize(project=PROJECTS)
    def begin(self, project: str) -> None:
        """Let there be something to go back from, which nothing disturbed."""
        self.world.say("admin", f"!deploy {project} v1")
        self.world.reach("approval" if project == "web-shop" else "ended")
        self.world.say("deployer", "!approve 1")
        self.world.pass_time(10)

    def _number(self, which: int) -> int:
        return max(1, len(self.world.jobs) - which)

    @rule(who=DEPLOYERS, project=PROJECTS, more=st.sampled_from(["", "", "v2", "v1", "--wait", "--force", "--dry-run"]))
    def deploy(self, who: str, project: str, more: str) -> None:
        """Ask for a deploy."""
        self.world.say(who, f"!deploy {project} {more}")

    @rule(who=DEPLOYERS, what=st.sampled_from(["", "", "hello-bot", "web-shop", "31", "32", "--force"]))
    def roll_back(self, who: str, what: str) -> None:
        """Ask to go back."""
        self.world.say(who, f"!rollback {what}")

    @precondition(lambda self: self.world.at("approval"))
    @rule(agree=st.booleans(), by_sign=st.booleans())
    def answer_a_request(self, *, agree: bool, by_sign: bool) -> None:
        """Give one's word on what waits for it, by a command or a sign."""
        job = self.world.at("approval")[0]
        who = "deployer" if job["person"] == "admin" else "admin"
        if by_sign and self.world.requests:
            self.world.say(who, "✅" if agree else "❌", reacts_to=self.world.requests[-1])
        else:
            self.world.say(who, f"!{'approve' if agree else 'deny'} {job['number']}")

    @rule(who=ANYBODY, which=WHICH, word=st.sampled_from(["approve", "deny", "cancel", "cancel", "publish", "job"]))
    def speak_of_a_job(self, who: str, which: int, word: str) -> None:
        """Say a command about a job, at the right time or not."""
        self.world.say(who, f"!{word} {self._number(which)}")

    @rule(who=ANYBODY, what=st.sampled_from(TALK))
    def talk(self, who: str, what: str) -> None:
        """Lock, unlock, ask, mistype and be polite."""
        self.world.say(who, what)

    @rule(seconds=MOMENTS)
    def wait_a_moment(self, seconds: float) -> None:
        """Let a moment pass."""
        self.world.pass_time(seconds)

    @rule(stage=STAGES, then=MOMENTS)
    def wait_until(self, stage: str, then: float) -> None:
        """Let time pass until the newest job is at a stage, and a moment more."""
        self.world.reach(stage)
        self.world.pass_time(then)

    @rule(seconds=st.sampled_from([10, 70, 130]))
    def wait_a_while(self, seconds: float) -> None:
        """Let enough time pass for windows to close and requests to expire."""
        self.world.pass_time(seconds)

    @rule(stage=STAGES, then=MOMENTS, trouble=TROUBLES)
    def strike_a_deploy(self, stage: str, then: float, trouble: Trouble) -> None:
        """Ask for a deploy, and let something go wrong when it is at a stage."""
        self._strike(f"!deploy hello-bot v{next(self._asked)} --wait", stage, then, trouble)

    @rule(stage=STAGES, then=MOMENTS, trouble=TROUBLES)
    def strike_what_was_agreed_to(self, stage: str, then: float, trouble: Trouble) -> None:
        """Ask for a deploy that somebody agrees to, and let something go wrong when it is at a stage."""
        number = len(self.world.jobs)
        self.world.say("admin", f"!deploy web-shop v{next(self._asked)} --wait")
        self.world.reach("approval", newer_than=number)
        self._strike(f"!approve {number + 1}", stage, then, trouble, by="deployer", newer_than=number)

    @rule(stage=STAGES, then=MOMENTS, trouble=TROUBLES)
    def strike_the_way_back(self, stage: str, then: float, trouble: Trouble) -> None:
        """Ask to go back, and let something go wrong when that is at a stage."""
        self._strike("!rollback", stage, then, trouble)

    def _strike(
        self,
        words: str,
        stage: str,
        then: float,
        trouble: Trouble,
        *,
        by: str = "admin",
        newer_than: int | None = None,
    ) -> None:
        number = len(self.world.jobs) if newer_than is None else newer_than
        self.world.say(by, words)
        self.world.reach(stage, newer_than=number)
        self.world.pass_time(then)
        self.strike(trouble=trouble)

    @rule(trouble=TROUBLES)
    def strike(self, trouble: Trouble) -> None:
        """Let something go wrong."""
        self.world.do(lambda: trouble.strike(self.world))

    @invariant()
    def promises_hold(self) -> None:
        """Hold what is promised of every moment."""
        promises.always(self.world)

    def teardown(self) -> None:
        """Mend everything, and hold what is promised of the end."""
        try:
            self.world.settle()
            promises.at_last(self.world)
            self.world.go_on()
            promises.at_last(self.world)
            promises.goes_on(self.world)
        finally:
            self.world.close()
            self._folder.cleanup()
