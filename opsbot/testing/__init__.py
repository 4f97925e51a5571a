"""Public fakes and the conversation bench, for our tests and for those of plugin authors."""

from opsbot.testing.bench import Bench, Posted
from opsbot.testing.chat import FakeChat, FakeClock, FakeOutside
from opsbot.testing.engine import FakeEngine, StepCrash
from opsbot.testing.host import FakeHost

__all__ = ["Bench", "FakeChat", "FakeClock", "FakeEngine", "FakeHost", "FakeOutside", "Posted", "StepCrash"]
