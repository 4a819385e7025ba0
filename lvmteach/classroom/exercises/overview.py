"""The lecturers' page: every exercise with its time, its difficulty and where it comes from, read from the solutions.

python -m lvmteach.classroom.exercises.overview solutions      writes solutions/README.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

from lvmteach.classroom.publish.notebooks import from_text

_HEADING = re.compile(r"^## Exercise (?P<number>\d\d\.\d+): (?P<title>.+)$", re.MULTILINE)
_FACTS = re.compile(
    r"^\*(?P<minutes>\d+) minutes, difficulty (?P<difficulty>[123]) of 3, from (?P<source>.+)\*$", re.MULTILINE
)
_ABOVE_AND_BELOW = "<!-- table: made by `python -m lvmteach.classroom.exercises.overview solutions` -->"


class Entry(NamedTuple):
    """One exercise, as its own text describes it."""

    notebook: str
    number: str
    title: str
    minutes: int
    difficulty: int
    source: str


def entries(solutions: Path) -> list[Entry]:
    """All exercises in the order of the course.

    Raises:
        ValueError: an exercise's heading is not followed by its line of time, difficulty and origin.
    """
    found = []
    for text in sorted((solutions / "text").glob("*.py")):
        for cell in from_text(text).cells:
            for heading in _HEADING.finditer(cell.source) if cell.cell_type == "markdown" else ():
                facts = _FACTS.search(cell.source, heading.end())
                if facts is None:
                    raise ValueError(
                        f"{text}, exercise {heading['number']}: its heading needs a line "
                        '*10 minutes, difficulty 2 of 3, from notebook 01 "A section"*'
                    )
                found.append(
                    Entry(text.stem, heading["number"], heading["title"], int(facts["minutes"]),
                          int(facts["difficulty"]), facts["source"])
                )  # fmt: skip
    return found


def table(found: list[Entry]) -> str:
    """A markdown table for each notebook, under its total time."""
    parts = []
    for notebook in dict.fromkeys(entry.notebook for entry in found):
        mine = [entry for entry in found if entry.notebook == notebook]
        parts += [f"### {notebook} ({len(mine)} exercises, {sum(e.minutes for e in mine)} minutes)", ""]
        parts += ["| | exercise | minutes | difficulty | comes after |", "|---|---|---|---|---|"]
        parts += [f"| {e.number} | {e.title} | {e.minutes} | {'●' * e.difficulty} | {e.source} |" for e in mine]
        parts.append("")
    return "\n".join(parts)


def page(solutions: Path) -> str:
    """README.md with its table made anew; the text around the table stays as it is."""
    head, _, foot = (solutions / "README.md").read_text(encoding="utf-8").split(_ABOVE_AND_BELOW)
    return f"{head}{_ABOVE_AND_BELOW}\n\n{table(entries(solutions))}\n{_ABOVE_AND_BELOW}{foot}"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not (Path(arguments[0]) / "README.md").is_file():
        print(f"expected the folder of the solutions, with its README.md, got {arguments}", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    (folder / "README.md").write_text(page(folder), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
