"""A lane without a world: `made_up_lane DEALT BAD DEADLY --lane WORLD LOGS`; what it judges is made up.

At the fault BAD a unit is left, at the fault DEADLY it dies; the numbers of all go to the file DEALT.
"""

import json
import os
import sys
from pathlib import Path

from tests.faults.oracle import judge
from tests.faults.plan import Fault
from tests.faults.story import Outcome
from tests.faults.test_oracle import WELL, after

if __name__ == "__main__":
    dealt, bad, deadly = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for line in sys.stdin:
        fault = Fault.of(json.loads(line))
        with dealt.open("a") as file:
            file.write(f"{fault.number}\n")
        if fault.number == deadly:
            os._exit(9)
        end = after(WELL, left=("opsbot-activate@j1.service",)) if fault.number == bad else WELL
        outcome = Outcome(fault=fault, struck=True, told=end.told, violations=tuple(judge(end)))
        sys.stdout.write(json.dumps(outcome.as_json()) + "\n")
        sys.stdout.flush()
