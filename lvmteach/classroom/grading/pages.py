"""What came of a class, as pages that open from the disk: one a student and sheet, one for the lecturer."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lvmteach.classroom.publish.html import maths_to_mathml

if TYPE_CHECKING:
    from lvmteach.classroom.exercises.verdict import Verdict
    from lvmteach.classroom.grading.grade import Graded
    from lvmteach.classroom.grading.judge import Marked, Rules
    from lvmteach.classroom.grading.sheet import Task

STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --paper: #fff; --quiet: #595959; --line: #d0d0d0; --shade: #f4f4f4;
  --passed: #1b6b3a; --not: #a3320b; --link: #0a58a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --paper: #16181b; --quiet: #b0b0b0; --line: #44484d;
  --shade: #212428; --passed: #7fd6a0; --not: #ffab85; --link: #8ec5ff; } }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif; }
a { color: var(--link); }
section { border-top: 1px solid var(--line); padding: .5rem 0 1rem; }
h1, h2, li { overflow-wrap: anywhere; } h1 { font-size: clamp(1.3rem, 5.5vw, 2rem); }
h2 { font-size: 1.1rem; } .passed { color: var(--passed); } .not { color: var(--not); } .quiet { color: var(--quiet); }
.beside { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.beside > * { min-width: 0; }
pre { background: var(--shade); padding: .6rem; overflow-x: auto; margin: 0; font-size: .875rem; }
.said { white-space: pre-wrap; } .next { font-weight: 600; }
.wide { overflow-x: auto; } table { border-collapse: collapse; margin-bottom: 1rem; }
caption { text-align: left; font-weight: 600; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; }
"""
SHELL = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{title}</title><style>{style}</style></head>
<body><main>{body}</main></body></html>
"""
NEXT = {
    "passed": "",
    "not yet": "Read the smallest case that fails, mend it, and run the check again.",
    "not attempted": "Write your answer between the docstring and the end of the cell, and run the check.",
}


def write(graded: list[Graded], out: Path, rules: Rules, lacking: list[str], left: Sequence[str]) -> None:
    """index.html for the lecturer, and SHEET/STUDENT.html. left: files that belong to no sheet."""
    files: dict[tuple[str, str], str] = {}
    for one in graded:
        (out / one.sheet.name).mkdir(exist_ok=True)
        for marked in one.marked:
            name = file_name(marked.student, {f for (sheet, _), f in files.items() if sheet == one.sheet.name})
            files[one.sheet.name, marked.student] = name
            text = page(f"{one.sheet.name}, {marked.student}", student(one, marked))
            (out / one.sheet.name / name).write_text(text, encoding="utf-8")
    body = "<h1>Graded</h1>" + "".join(lecturer(one, files) for one in graded)
    body += _left(left) + _how(rules, lacking)
    (out / "index.html").write_text(page("Graded", body), encoding="utf-8")


def file_name(student: str, taken: set[str]) -> str:
    """A name that any file system takes, and no other student's page has."""
    plain = re.sub(r"[^\w.-]+", "_", student).strip(".") or "student"
    name, number = f"{plain}.html", 1
    while name.lower() in {one.lower() for one in taken}:
        number += 1
        name = f"{plain}-{number}.html"
    return name


def page(title: str, body: str) -> str:
    return SHELL.format(title=html.escape(title), style=STYLE, body=body)


def student(one: Graded, marked: Marked) -> str:
    """Their points, and for each exercise the verdict, what to do next, and their own code beside it."""
    parts = [
        f"<h1>{_text(one.sheet.name)}: {one.points(marked):g} of {one.of:g} points</h1><p>{_text(marked.student)}</p>"
    ]
    if one.sheet.by_hand:
        parts.append(f'<p class="quiet">Marked by hand, and not counted here: {len(one.sheet.by_hand)} in writing.</p>')
    if {verdict.message for verdict in marked.verdicts.values()} == {marked.ended}:
        return "\n".join([*parts, f'<p class="not">This notebook was not judged: {_text(marked.ended)}.</p>'])
    if marked.ended:
        parts.append(f'<p class="not">While this notebook ran: {_text(marked.ended)}.</p>')
    for task in one.sheet.tasks:
        parts.append(_exercise(task, marked.verdicts[task.exercise], marked.written.get(task.exercise, "")))
    return "\n".join(parts)


def _exercise(task: Task, verdict: Verdict, code: str) -> str:
    next_step = " ".join(filter(None, (verdict.diagnosis, verdict.place))) or NEXT[verdict.status]
    mark = "passed" if verdict.status == "passed" else "not"
    got = task.points if verdict.status == "passed" else 0
    said = f'<pre class="said" tabindex="0">{_text(verdict.message)}</pre>'
    if next_step:
        said += f'<p class="next">{maths_to_mathml(_text(next_step))}</p>'
    own = f'<pre tabindex="0"><code>{_text(code)}</code></pre>' if code else '<p class="quiet">No code of yours.</p>'
    return (
        f'<section><h2>{maths_to_mathml(_text(task.title or task.exercise))} <span class="{mark}">'
        f"{verdict.status}, {got:g} of {task.points:g}</span></h2>"
        f'<div class="beside"><div>{said}</div><div>{own}</div></div></section>'
    )


def lecturer(one: Graded, files: dict[tuple[str, str], str]) -> str:
    """A sheet: points by exercise, what was misunderstood and how often, and the students."""
    name, students = one.sheet.name, len(one.marked)
    rows, wrong = [], []
    for task in one.sheet.tasks:
        verdicts = [marked.verdicts[task.exercise] for marked in one.marked]
        count = Counter(v.status for v in verdicts)
        rows.append([task.title or task.exercise, *(str(count[s]) for s in ("passed", "not yet", "not attempted"))])
        said = Counter(v.diagnosis or v.message.split("\n")[0] for v in verdicts if v.status == "not yet")
        wrong += [[str(times), task.title or task.exercise, what] for what, times in said.most_common()]
    wrong.sort(key=lambda row: -int(row[0]))
    people = [
        [
            f'<a href="{_text(name)}/{_text(files[name, m.student])}">{_text(m.student)}</a>',
            f"{one.points(m):g}",
            _text(m.ended),
        ]
        for m in one.marked
    ]
    mean = sum(map(one.points, one.marked)) / students
    return (
        f"<section><h2>{_text(name)}: {students} students, {mean:.1f} of {one.of:g} points in the mean</h2>"
        + _table("Points by exercise", ["exercise", "passed", "not yet", "not attempted"], _safe(rows))
        + (_table("What was misunderstood", ["students", "exercise", "what"], _safe(wrong)) if wrong else "")
        + _table("Students", ["student", "points", "what was odd"], people)
        + (f"<p>To mark by hand: {_text(', '.join(one.sheet.by_hand))}.</p>" if one.sheet.by_hand else "")
        + "</section>"
    )


def _left(files: Sequence[str]) -> str:
    """Notebooks that were handed in under a name that tells no sheet; nothing where there are none."""
    if not files:
        return ""
    names = "".join(f"<li>{_text(name)}</li>" for name in files)
    return f"<section><h2>Not graded: the name does not end in a sheet's</h2><ul>{names}</ul></section>"


def _how(rules: Rules, lacking: list[str]) -> str:
    """How it was judged, so that it can be done again."""
    walls = (
        "Each submission ran shut in: no network, no other process, nothing written, only Python and its packages read."
        if rules.walls
        else f"Submissions ran <strong>without walls</strong>. {_text('; '.join(lacking))}"
    )
    seeds = ", ".join(map(str, rules.seeds))
    most = rules.limits
    limits = (
        f"a cell {most.cell:g} s, a notebook {most.all:g} s, of a processor {most.processor} s,"
        f" memory {most.memory / 2**30:g} GiB beyond the libraries, {most.files} open files"
    )
    quiet = f'<p class="quiet">Cases of seeds {seeds}. Limits: {limits}.</p>'
    return f"<section><h2>How it was judged</h2><p>{walls}</p>{quiet}</section>"


def _safe(rows: list[list[str]]) -> list[list[str]]:
    return [[maths_to_mathml(_text(cell)) for cell in row] for row in rows]


def _table(caption: str, head: list[str], rows: list[list[str]]) -> str:
    cells = "".join(
        "<tr>" + "".join(f'<td class="number">{c}</td>' if c.isdigit() else f"<td>{c}</td>" for c in row) + "</tr>"
        for row in rows
    )
    heads = "".join(f'<th scope="col">{word}</th>' for word in head)
    return f'<div class="wide" tabindex="0"><table><caption>{caption}</caption><tr>{heads}</tr>{cells}</table></div>'


def _text(value: Any) -> str:
    return html.escape(str(value))
