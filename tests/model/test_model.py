"""The model of a job: see docs/reliability.md. `make model` lets it run for long."""

import os
import re

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model import broken
from tests.model.machine import Model
from tests.model.world import Parts

#: How many stories are tried for long; each of them is some twenty things that happen.
STORIES = int(os.environ.get("MODEL", "0"))
ALIKE = settings(
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=(Phase.generate,),
    database=None,
)
#: The same ones each time; a failure is made short by the long run.
SHORT = settings(ALIKE, max_examples=25, derandomize=True)
#: Enough for any of the broken parts; most are found in a few.
SEARCH = settings(SHORT, max_examples=100)
LONG = settings(ALIKE, max_examples=max(STORIES, 1), phases=(Phase.generate, Phase.shrink))


def test_whatever_persons_and_the_world_do_each_job_has_one_true_end() -> None:
    """In any order of commands, crashes, cuts and faults, a job is activated once or not at all, and tells so once."""
    run_state_machine_as_test(Model, settings=LONG if STORIES else SHORT)


class Sticky(Model):
    """With a lock that is not let go."""

    parts = Parts(ledger=broken.StickyLedger)


class Gullible(Model):
    """With a bot that needs nobody's word."""

    parts = Parts(ledger=broken.GullibleLedger)


class Boastful(Model):
    """With a bot that tells what is not so."""

    parts = Parts(ledger=broken.BoastfulLedger)


class Forgetful(Model):
    """With a homeserver that takes things twice."""

    parts = Parts(room=broken.ForgetfulRoom)


@pytest.mark.parametrize(
    ("world", "finding"),
    [
        (Sticky, "was busy for too long with"),
        (Gullible, "nobody agreed to"),
        (Boastful, "done: .* was undone: .* but "),
        (Forgetful, "said twice"),
    ],
)
def test_the_model_finds_a_broken_promise(world: type[Model], finding: str) -> None:
    """A part that breaks a promise is found by the model, in some dozen stories."""
    with pytest.raises(AssertionError, match=re.compile(finding, re.DOTALL)):
        run_state_machine_as_test(world, settings=SEARCH)
