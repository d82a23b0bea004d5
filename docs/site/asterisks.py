"""Keeps the asterisks of docstrings, as in Q(h',a*), from being read as emphasis."""

import re
from typing import Any

import griffe


class Asterisks(griffe.Extension):
    """Escapes them, but for those of lists, of **kwargs and within code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change a docstring before it is parsed."""
        if obj.docstring:
            pieces = re.split(r"(`[^`]*`|^ *\* |\*\*)", obj.docstring.value, flags=re.MULTILINE)
            pieces[::2] = [piece.replace("*", r"\*") for piece in pieces[::2]]
            obj.docstring.value = "".join(pieces)
