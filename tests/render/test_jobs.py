"""What comes from elsewhere, names, reasons, subjects, logs, stays text in every report."""

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from opsbot.model import Job, JobKind, Outcome, Text
from opsbot.render.jobs import closing_line, commits, failed_units, final_report, report, summary
from opsbot.render.plans import plan_text
from opsbot.render.text import LONGEST, clean
from tests.render.test_text import ANY, SENDABLE, Tags


def harmless(text: Text) -> bool:
    """Tell whether a message is what it says, and nothing more."""
    read = Tags(text.html)
    same = re.sub(r"[\s`']", "", read.text) == re.sub(r"[\s`']", "", text.body)
    return read.tags <= SENDABLE and not read.attributes and same and clean(text.body) == text.body


def job(**parts: Any) -> Job:
    """A job whose words came from anywhere."""
    usual = {"id": "j", "number": 42, "kind": JobKind.DEPLOY, "room_id": "!r", "event_id": "$e", "thread": "$e"}
    return Job(**{**usual, **parts})


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["host", "project", "target", "person"]), ANY, min_size=4), ANY, ANY)
def test_a_report_is_text(parts: dict[str, str], reason: str, log: str) -> None:
    """Names, revisions, reasons, notes and log lines of a job are shown and never obeyed, in 3,500 characters."""
    asked = job(**parts, reason=reason)
    stages = {"prepare": {"began": 0.0, "took": 1.0, "note": log}, "plan": {"began": 1.0}}
    shown = [
        report(asked, stages, now=2.0, log=log.splitlines()),
        final_report(asked, stages, outcome=Outcome.FAILED, headline=reason, more=None),
        closing_line(asked, Outcome.DONE, log),
        summary(asked, age="just now"),
    ]

    assert all(harmless(text) for text in shown)
    assert all(len(text.body) <= LONGEST for text in shown[:3])


@settings(deadline=None)
@given(ANY, ANY, ANY)
def test_what_a_host_says_is_text(one: str, two: str, three: str) -> None:
    """Commit subjects, authors, unit names, journal lines and closures are shown and never obeyed."""
    plan = {
        "moves": {one: [two, three]},
        "units": {"restart": [one, two]},
        "foreign": [three],
        "kernel_changed": False,
        "closure": [one, two],
    }
    shown = [
        commits([{"commit": "a" * 40, "subject": one, "author": two}] * 12),
        failed_units([{"unit": one, "lines": [two, three]}]),
        plan_text(plan),
    ]

    assert all(text is not None and harmless(text) for text in shown)
