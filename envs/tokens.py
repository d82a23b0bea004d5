"""Words, lines and complaints of a `.pomdp` file; `envs.cassandra` gives them their meaning."""

from typing import NoReturn

import numpy as np


class Tokens:
    """The words of a `.pomdp` file, comments left out, each with its line.

    A statement begins with one of `keywords` and a colon.
    """

    def __init__(self, path: str, text: str, keywords: tuple[str, ...]):
        self.path = path
        self.keywords = keywords
        self.tokens = [
            (token, number)
            for number, line in enumerate(text.splitlines(), 1)
            for token in line.split("#")[0].replace(":", " : ").split()
        ]
        self.at = 0

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
