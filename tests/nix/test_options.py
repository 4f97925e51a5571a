from tests.nix.evaluator import TOP, Evaluator
from tests.nix.options import page, rows


def test_the_page_of_options_is_the_generated_one(nix: Evaluator) -> None:
    """docs/options.md is what the declarations of the modules say, to the letter."""
    assert (TOP / "docs/options.md").read_text() == page(nix), "Run `make docs`."


def test_every_option_is_described(nix: Evaluator) -> None:
    """Every option of the modules has a description that is a sentence."""
    found = [row for tree in ("services.opsbot", "services.opsbot-host", "platform") for row in rows(nix, tree)]
    assert len(found) > 20
    assert [row["name"] for row in found if not row["description"].strip().endswith((".", ")", "`"))] == []
