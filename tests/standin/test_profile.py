from pathlib import Path

import pytest

from opsbot.standin.errors import NixError
from opsbot.standin.profile import Profile


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """Return a profile without generations."""
    return Profile(tmp_path / "system")


def test_a_new_generation_is_one_higher_than_the_highest(profile: Profile) -> None:
    """After going back from 3 to 2, what is set next is 4."""
    for name in ("a", "b", "c"):
        profile.add(Path("/nix/store") / name)
    profile.switch(2)
    assert profile.add(Path("/nix/store/d")) == 4
    assert profile.numbers() == [1, 2, 3, 4]
    assert profile.current() == 4


def test_the_highest_generation_is_used_again_if_it_holds_the_same(profile: Profile) -> None:
    """Setting what the highest generation holds makes no new one, also when a lower one is current."""
    profile.add(Path("/nix/store/a"))
    profile.add(Path("/nix/store/b"))
    profile.switch(1)
    assert profile.add(Path("/nix/store/b")) == 2
    assert profile.add(Path("/nix/store/a")) == 3


def test_rollback_means_the_next_lower_number(profile: Profile) -> None:
    """`--rollback` after 1, 2, 3, back to 2, then 4 lands on 3: the reason why opsbot never uses it."""
    for name in ("a", "b", "c"):
        profile.add(Path("/nix/store") / name)
    profile.rollback()
    profile.add(Path("/nix/store/d"))
    assert profile.rollback() == "switching profile from version 4 to 3"


def test_there_is_nothing_below_the_lowest(profile: Profile) -> None:
    """Rolling back from the only generation is refused in Nix's words."""
    profile.add(Path("/nix/store/a"))
    with pytest.raises(NixError, match=r"no profile version older than the current \(1\) exists"):
        profile.rollback()


def test_a_generation_that_is_not_there_is_refused(profile: Profile) -> None:
    """Switching to an unknown number changes nothing."""
    profile.add(Path("/nix/store/a"))
    with pytest.raises(NixError, match="profile version 9 does not exist"):
        profile.switch(9)
    assert profile.current() == 1


def test_listing_marks_the_current_one(profile: Profile) -> None:
    """The list is that of `nix-env --list-generations`."""
    profile.add(Path("/nix/store/a"), 29, days_ago=3)
    profile.add(Path("/nix/store/b"), 31)
    first, second = profile.listing()
    assert first.startswith("  29   20")
    assert not first.endswith("(current)")
    assert second.startswith("  31   20")
    assert second.endswith("(current)")
