"""Pages are easy to read: no sentence is long."""

import pathlib

import pytest

from prose import long_sentences, sentences

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page: pathlib.Path) -> None:
    """None has more than 25 words."""
    found = long_sentences(page.read_text())
    assert not found, "\n".join(found)


def test_what_a_sentence_is() -> None:
    """Code, tables and headings are none; an item of a list begins one."""
    page = "# Title\n\nOne [`a b c`](x) two. Three!\nFour\n\n    code\n\n| a | b |\n\n* five"
    assert sentences(page) == ["One code two.", "Three!", "Four", "five"]
    assert long_sentences("word " * 25) == []
    assert len(long_sentences("word, " * 26)) == 1
