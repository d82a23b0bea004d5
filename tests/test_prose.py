"""Pages are easy to read: few sentences are long, and no page gets worse."""

import pathlib

import pytest

from prose import long_sentences, sentences

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
#: How many long sentences a page may have. Lower a number when you mend a page; never raise it.
LONG = {"docs/fast.md": 6, "docs/figure1.md": 2, "docs/performance.md": 15}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sentences_are_short(page: pathlib.Path) -> None:
    """At most as many as ever have more than 25 words; a new page has none."""
    found = long_sentences(page.read_text())
    assert len(found) <= LONG.get(page.relative_to(ROOT).as_posix(), 0), "\n".join(found)


def test_what_a_sentence_is() -> None:
    """Code, tables and headings are none; an item of a list begins one."""
    page = "# Title\n\nOne [`a b c`](x) two. Three!\nFour\n\n    code\n\n| a | b |\n\n* five"
    assert sentences(page) == ["One code two.", "Three!", "Four", "five"]
    assert long_sentences("word " * 25) == []
    assert len(long_sentences("word, " * 26)) == 1
