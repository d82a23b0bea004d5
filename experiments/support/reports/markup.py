"""Pieces of HTML. Whatever comes from runs is text, and is escaped here."""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from support.reports.contents import Report, Run

#: Of labels, in their order; they can be told apart on white and on black.
PALETTE = (
    *("#e4572e", "#3d7edb", "#2f9e63", "#9b5fd0", "#c98a00", "#12a0b5"),
    *("#d6408f", "#7c8a2b", "#8d6e63", "#6f7bf7", "#c25450", "#5f8a8b"),
)
DASHES = ("solid", "dash", "dot", "dashdot")  # of further labels, which have the same colours


def text(value: object) -> str:
    """Escape text, for elements and attributes."""
    return html.escape(str(value))


def script_json(value: object) -> str:
    """Write JSON that can stand in a script element: there is no way out of it.

    Raises:
      ValueError: when a number is not finite, which JSON cannot hold.
    """
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def colour(number: int) -> str:
    """Return the colour of a label, by its place among the labels."""
    return PALETTE[number % len(PALETTE)]


def dash(number: int) -> str:
    """Return how its lines are drawn, in the terms of Plotly."""
    return DASHES[number // len(PALETTE) % len(DASHES)]


def swatch(number: int) -> str:
    """Show the colour of a label."""
    return f'<span class="swatch" style="background:{colour(number)}"></span>'


def run_name(report: Report, run: Run, with_env: bool = True) -> str:
    """Name a run, behind its colour."""
    words = f"{run.env}: {run.label}" if with_env else run.label
    return f"{swatch(report.labels.index(run.label))} {text(words)}"


def chip(value: str, content: str) -> str:
    """Make something that can be switched off."""
    return f'<label><input type="checkbox" value="{value}" checked>{content}</label>'


def note(words: str) -> str:
    """Say something beside the matter; `words` are HTML."""
    return f'<p class="note">{words}</p>'


def details(summary: str, content: str, is_open: bool = False) -> str:
    """Fold something away."""
    return f"<details{' open' * is_open}><summary>{text(summary)}</summary>{content}</details>"


def image(kind: str, content: bytes, told: str, style: str) -> str:
    """Put a picture into the page itself."""
    coded = base64.b64encode(content).decode()
    return f'<img class="{style}" alt="{text(told)}" src="data:image/{kind};base64,{coded}">'


def pairs(known: Mapping[str, Any]) -> str:
    """List names and their values."""
    listed = "".join(
        f'<div><dt>{text(name)}</dt><dd class="mono">{_value(value)}</dd></div>'
        for name, value in known.items()
    )
    return f'<dl class="pairs">{listed}</dl>'


def matrix(report: Report, rows: Mapping[str, Sequence[Any]]) -> str:
    """Tabulate values, a row for each name and a column for each run."""
    lines = [["<tr><td></td>"]]
    for run in report.runs:
        env = f"<small>{text(run.env)}</small>" if len(report.envs) > 1 else ""
        lines[0].append(f"<th>{env}{run_name(report, run, with_env=False)}</th>")
    for title, values in rows.items():
        cells = [f'<td class="mono">{_value(value)}</td>' for value in values]
        lines.append([f"<tr><th>{text(title)}</th>", *cells])
    head, *body = ("".join([*line, "</tr>"]) for line in lines)
    return (
        f'<div class="scroll sticky"><table><thead>{head}</thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _value(value: object) -> str:
    """Say a setting's value; None is no setting at all."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    words = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text(words or "none")
