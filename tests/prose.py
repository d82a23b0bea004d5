"""Finds the sentences of a page that are long to read."""

import re

#: Words that a sentence of our pages should not exceed.
LIMIT = 25


def sentences(page: str) -> list[str]:
    """Split the prose of a page: without code, tables, headings, and where links lead."""
    page = re.sub(r"```.*?```", "\n\n", page, flags=re.DOTALL)
    page = re.sub(r"^(?: {4,}|\|).*$", "\n", page, flags=re.MULTILINE)  # code by indent, and tables
    page = re.sub(r"^#+ .*$", "\n\n", page, flags=re.MULTILINE)
    page = re.sub(r"!?\[([^\]]*)\]\([^)\s]+\)", r"\1", page)
    page = re.sub(r"`[^`]*`", "code", page)  # is read as one word
    found = []
    for block in re.split(r"\n\s*\n|^\s*(?:\*|-|\d+\.) ", page, flags=re.MULTILINE):
        found += re.split(r"(?<=[.!?])[\"')*]*\s+", " ".join(block.split()))
    return [sentence for sentence in found if sentence]


def long_sentences(page: str) -> list[str]:
    """Return the sentences of more than `LIMIT` words; signs alone are no words."""
    return [text for text in sentences(page) if len(re.findall(r"\S*\w\S*", text)) > LIMIT]
