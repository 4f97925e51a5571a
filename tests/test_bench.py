import json
from pathlib import Path

from bench.ear import told_in
from bench.figures import Figure, Verdict
from bench.report import BEGIN, END, PAGE, RESULTS, markdown
from bench.scenarios import SCENARIOS
from bench.sizes import QUICK
from bench.tally import Tally, percentile, tally
from opsbot.demo.speaker import Line

TOP = Path(__file__).parents[1]


def test_commands_are_counted_by_their_answers() -> None:
    """The bench counts how many commands were answered once, more often and never; other answers do not count."""
    counted = tally({1, 2, 3, 4}, [1, 2, 2, 4, 9, 9, 2])
    assert counted == Tally(once=2, twice=1, never=1)
    assert str(counted + Tally(once=1)) == "3 / 1 / 1"
    assert not counted.clean(4)
    assert tally({7}, [7]).clean(1)
    assert not tally({7}, []).clean(1)


def test_too_few_commands_are_no_success() -> None:
    """A burst of which not everything was said holds no bar, however well the rest was answered."""
    assert not tally({1, 2}, [1, 2]).clean(3)


def test_a_job_is_answered_when_the_room_knows_its_end() -> None:
    """The bench takes a job's time until the line that closes it; the line of another job is not that."""
    report = Line(event_id="$r", sender="@bot", body="⏳ #4 deploy hello-bot main on `host`, for ada", thread="$said")
    other = Line(event_id="$o", sender="@bot", body="✅ all is well (#41, ada)")
    closing = Line(event_id="$c", sender="@bot", body="✅ all is well (#4, ada)")
    assert not told_in([], "$said")
    assert not told_in([report, other], "$said")
    assert told_in([report, other, closing], "$said")
    assert told_in([Line(event_id="$a", sender="@bot", body="Hello, you!", thread="$said")], "$said")
    assert not told_in([closing], "$said")


def test_a_percentile_is_one_of_the_values() -> None:
    """A percentile is a time that was measured, not one between two."""
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99)] == [51.0, 96.0, 100.0]
    assert percentile([3.0], 0.99) == 3.0


def test_a_missed_bar_is_said() -> None:
    """A figure that misses its bar says so in the page and in the file of results."""
    missed = Figure(what="p50", unit="ms", opsbot=80.0, other=56.0, bar="at most 10 more", held=False)
    page = markdown({"round-trip": [missed]}, "A machine.", QUICK)
    assert "| p50 | ms | 80.0 | 56.0 | at most 10 more | MISSED |" in page
    assert missed.as_json()["verdict"] == Verdict.MISSED


def test_every_scenario_has_its_figures_in_the_page() -> None:
    """docs/performance.md and bench/results.json have the figures of each scenario, from one run, or none at all."""
    shown = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    assert RESULTS.exists() == bool(shown.strip())
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"figures": dict.fromkeys(SCENARIOS, ())}
    assert list(results["figures"]) == list(SCENARIOS)
    for name, figures in results["figures"].items():
        assert f"**{name}**" in PAGE.read_text()
        for figure in figures:
            assert f"| {figure['what']} |" in shown
