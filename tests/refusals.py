"""What is refused is refused in one sentence."""

from collections.abc import Callable
from typing import Any


def attempt(act: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a function returns, and ""; or None, and the sentence that refuses it."""
    try:
        return act(), ""
    except ValueError as error:
        sentence = str(error)
    assert sentence, "a refusal says why"
    assert "\n" not in sentence
    return None, sentence
