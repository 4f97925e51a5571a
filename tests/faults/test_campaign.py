"""A campaign hands faults to its lanes, writes down what became of each, goes on where it was, and fails loudly."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from opsbot.model import Json
from tests.faults import table
from tests.faults.campaign import Campaign, code, read
from tests.faults.oracle import judge
from tests.faults.plan import Where, campaign
from tests.faults.story import Outcome
from tests.faults.test_oracle import WELL, after

#: A lane that judges an end that was made up: of the fault that is named, one with a unit left; it dies at another.
_LANE = Path(__file__).with_name("made_up_lane.py")
#: What the outcomes of a campaign belong to, and what makes it another one.
RUN: dict[str, Json] = {"seed": 1, "pause": 8.0, "code": code()}
OTHERS: tuple[dict[str, Json], ...] = ({"seed": 2}, {"pause": 40.0}, {"code": "another"})


def planned(folder: Path, said: list[str], *, bad: int = 0, deadly: int = 0, count: int = 5) -> Campaign:
    """Return a campaign whose lanes make their ends up."""
    command = (sys.executable, str(_LANE), str(folder / "dealt"), str(bad), str(deadly))
    return Campaign(
        seed=1, pause=8.0, faults=count, only=(), file=folder / "outcomes", say=said.append, command=command
    )


def dealt(folder: Path) -> list[int]:
    """Return the numbers of the faults that lanes were handed, in their order."""
    return [int(line) for line in (folder / "dealt").read_text().split()]


async def test_every_fault_is_dealt_once_and_written_down(tmp_path: Path) -> None:
    """Each fault goes to one lane; its outcome stands in the file, and in the table."""
    outcomes = await planned(tmp_path, []).run()
    assert sorted(dealt(tmp_path)) == [1, 2, 3, 4, 5]
    assert [one.fault.number for one in outcomes] == [1, 2, 3, 4, 5]
    assert read(tmp_path / "outcomes", **RUN) == {one.fault.number: one for one in outcomes}
    assert table.rows(outcomes)[-1] == ("all", "", "5", "5", "0", "0")
    assert table.is_well(outcomes)


async def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    """What was dealt in an earlier run with the same seed is not dealt again, also if its last line is half of one."""
    await planned(tmp_path, [], count=3).run()
    with (tmp_path / "outcomes").open("a") as file:
        file.write('{"seed": 1, "pau\n')
    outcomes = await planned(tmp_path, []).run()
    assert sorted(dealt(tmp_path)) == [1, 2, 3, 4, 5]
    assert len(outcomes) == 5
    assert all(read(tmp_path / "outcomes", **{**RUN, **other}) == {} for other in OTHERS)


async def test_what_is_asked_for_by_number_is_dealt_again(tmp_path: Path) -> None:
    """A fault that is named is dealt, whatever the file says."""
    await planned(tmp_path, []).run()
    outcomes = await replace(planned(tmp_path, []), only=(2, 4)).run()
    assert [one.fault.number for one in outcomes] == [2, 4]
    assert sorted(dealt(tmp_path)) == [1, 2, 2, 3, 4, 4, 5]


async def test_a_violation_fails_the_campaign_and_says_how_to_repeat_it(tmp_path: Path) -> None:
    """The control: of a planted violation one reads which fault it was, what is wrong, and how to see it again."""
    said: list[str] = []
    outcomes = await planned(tmp_path, said, bad=2).run()
    assert [one.fault.number for one in outcomes if one.violations] == [2]
    assert not table.is_well(outcomes)
    assert table.rows(outcomes)[-1] == ("all", "", "5", "5", "0", "1")
    text = "\n".join(said)
    assert "VIOLATION: left on the host: opsbot-activate@j1.service" in text
    assert "Repeat it with: make faults SEED=1 PAUSE=8 ONLY=2." in text


async def test_a_lane_that_dies_is_a_violation_and_the_others_go_on(tmp_path: Path) -> None:
    """When a lane ends without a word, its fault has failed, and a new lane deals the rest."""
    outcomes = await planned(tmp_path, [], deadly=3).run()
    assert sorted(dealt(tmp_path)) == [1, 2, 3, 4, 5]
    assert [one.fault.number for one in outcomes if one.violations] == [3]
    assert "its lane said nothing" in outcomes[2].violations[0]


def test_what_hit_nothing_is_not_counted() -> None:
    """A fault whose moment was over is no fault in the table; a campaign with many of them has not passed."""
    fault = next(campaign(1, pause=8.0))
    hit = Outcome(fault=fault, struck=True, told="↩️ It was undone.")
    assert table.rows([hit, replace(hit, struck=False)])[-1] == ("all", "", "1", "0", "1", "0")
    assert f"| {fault.kind} | {fault.where} | 1 | 0 | 1 | 0 |" in table.markdown([hit])
    assert "all" in table.plain([hit])
    assert table.is_well([hit] * 9 + [replace(hit, struck=False)])
    assert not table.is_well([hit] * 8 + [replace(hit, struck=False)])


def test_the_made_up_end_is_judged_by_the_same_judge() -> None:
    """The end that the control plants is well but for what was planted."""
    assert judge(WELL) == []
    assert judge(after(WELL, left=("opsbot-activate@j1.service",))) == ["left on the host: opsbot-activate@j1.service"]


@pytest.mark.parametrize("where", Where)
def test_an_outcome_is_read_as_it_was_written(where: Where) -> None:
    """What stands in the file comes back whole."""
    fault = replace(next(campaign(1, pause=8.0)), where=where)
    one = Outcome(fault=fault, struck=True, told="✅ done", violations=("a", "b"), seconds=1.5, logs="there")
    assert Outcome.of(json.loads(json.dumps(one.as_json()))) == one
