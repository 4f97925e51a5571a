from opsbot.demo.terminal import folded


def test_a_long_answer_goes_on_below_itself() -> None:
    """What is too long for the terminal goes on where the answer stands, beside the name."""
    words = "opsbot> one two three four five\n        six seven eight nine ten\nplain words in a row of their own"

    assert folded(words, 24).splitlines() == [
        "opsbot> one two three",
        "        four five",
        "        six seven eight",
        "        nine ten",
        "plain words in a row of",
        "their own",
    ]


def test_no_word_is_cut_and_no_table_is_squeezed() -> None:
    """A path stays one word, to be copied; what fits stays as it is, with its spaces, also signs that are two wide."""
    path = "/nix/store/" + "a" * 40

    assert folded(f"        {path} is there", 30).splitlines() == [f"        {path}", "        is there"]
    assert folded("  one    two   three", 30) == "  one    two   three"
    assert folded("opsbot> ✅ abcdefgh", 19) == "opsbot> ✅ abcdefgh"
    assert folded("opsbot> ✅ abcdefgh", 18).splitlines() == ["opsbot> ✅", "        abcdefgh"]
