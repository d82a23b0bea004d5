"""Words, lines and complaints of a `.pomdp` file; `cassandra` gives them their meaning."""

import re
from typing import NoReturn

import numpy as np

#: A colon or an asterisk, which need no space around them; a number; anything else.
_TOKEN = re.compile(r"[:*]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![^\s:*+-])|[^\s:*]+")


class Tokens:
    """The words of a `.pomdp` file, comments left out, each with its line.

    A statement begins with one of `keywords` and a colon.
    """

    def __init__(self, path: str, text: str, keywords: tuple[str, ...]):
        self.path = path
        self.keywords = keywords
        self.tokens: list[tuple[str, int]] = []
        self.at = 0
        for number, line in enumerate(text.split("\n"), 1):
            for token in _TOKEN.findall(line.split("#")[0]):
                self._append(token, number)

    def _append(self, token: str, line: int) -> None:
        if any("\udc80" <= letter <= "\udcff" for letter in token):  # a byte that is no UTF-8
            raise ValueError(f"cannot read {self.path}: it is no text (line {line})")
        if self.tokens and self.tokens[-1][0] in ("+", "-") and token[0] in "0123456789.":
            token = self.tokens.pop()[0] + token  # a sign may stand apart
        self.tokens.append((token, line))

    def peek(self, ahead: int = 0) -> str:
        """Return a token to come, "" past the end."""
        return self.tokens[self.at + ahead][0] if self.at + ahead < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        """Consume a token."""
        token = self.peek()
        if not token or (expected and token != expected):
            self.at += 1
            self.fail(f"expected {expected or 'more'!r}, got {token or 'the end of the file'!r}")
        self.at += 1
        return token

    def accept(self, token: str) -> bool:
        """Consume the next token if it is this one."""
        found = self.peek() == token
        self.at += found
        return found

    def words(self) -> list[str]:
        """Consume everything up to the next statement or the end."""
        begin = self.at
        while self.peek() and not self.begins_statement():
            self.at += 1
            if self.peek() == ":":
                known = ", ".join(self.keywords)
                self.fail(f"unknown keyword {self.tokens[self.at - 1][0]!r}; known are {known}")
        return [token for token, _ in self.tokens[begin : self.at]]

    def begins_statement(self) -> bool:
        """Whether the next tokens start a statement."""
        token, after = self.peek(), self.peek(1)
        starts = token == "start" and after in ("include", "exclude")
        return starts or (token in self.keywords and after == ":")

    def number(self, word: str) -> float:
        """Convert a word just consumed."""
        try:
            value = float(word)
        except ValueError:
            self.fail(f"expected a number, got {word!r}")
        return value if np.isfinite(value) else self.fail(f"{word} is not finite")

    def fail(self, why: str) -> NoReturn:
        """Say what is wrong with the token consumed last."""
        line = self.tokens[min(self.at, len(self.tokens)) - 1][1] if self.tokens else 1
        raise ValueError(f"{self.path}, line {line}: {why}")
