"""The explorables' JavaScript run by V8 inside Python, from its sources, with a bug planted if one likes. No Node."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from py_mini_racer import MiniRacer

from lvmteach.classroom.explorables import kit
from lvmteach.classroom.explorables.packing import as_json

SOURCES = kit.HERE / "js"
IMPORT = re.compile(r'^import (?:\{([^}]*)\}|(\w+)) from "(.+?)";\n', re.M)
EXPORT = re.compile(r"^export (?:const|function|class) (\w+)", re.M)
PLAIN = re.compile(r"^export (?=const|function|class)", re.M)
# What the demos need of a browser and V8 alone has not; and the answers, with what JSON has no word for as words.
DRIVER = """
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
globalThis.atob = (text) => {
  const out = [];
  let held = 0, bits = 0;
  for (const c of text.replace(/=+$/, "")) {
    held = ((held << 6) | DIGITS.indexOf(c)) & 0xffff;
    bits += 6;
    if (bits >= 8) out.push(String.fromCharCode((held >> (bits -= 8)) & 255));
  }
  return out.join("");
};
const odd = (x) => typeof x === "number" && !Number.isFinite(x);
const listed = (x) => (ArrayBuffer.isView(x) ? Array.from(x, listed) : odd(x) ? String(x) : x);
const told = (x) => JSON.stringify(x, (_, value) => listed(value));
let demo, model;
const take = (one, data) => { demo = one; model = demo.setup(unpacked(JSON.parse(data))); };
const answer = (list) => told(JSON.parse(list).map((values) => {
  const result = demo.compute(model, values);
  return [result, demo.words(result, values)];
}));
const acts = {
  button: (c, values) => c.act(values, model),
  points: (c, values, k, place) => c.move(values, k, place, model),
  stroke: (c, values, path) => c.draw(values, path, model),
};
const said = (values) => [values, demo.words(demo.compute(model, values), values)];
const acted = (values, list) => told(JSON.parse(list).reduce((seen, [label, ...more]) => {
  const control = demo.controls.find((c) => c.label === label && c.kind in acts), [now] = seen.at(-1);
  return [...seen, said({ ...now, ...acts[control.kind](control, now, ...more) })];
}, [said(JSON.parse(values))]));
const facts = () => told({ start: demo.start, about: demo.about, controls: demo.controls });
"""


def linked(entry: str, *planted: tuple[str, str, str]) -> str:
    """A module and all that it imports as one script whose value is the module; (file, old, new) is replaced in it.

    Raises:
        ValueError: the old text does not stand in the file exactly once.
    """
    seen: dict[str, str] = {}

    def visit(path: Path) -> None:
        name = path.relative_to(SOURCES).as_posix()
        if name in seen:
            return
        seen[name], text = "", path.read_text(encoding="utf-8")
        for file, old, new in planted:
            if file == name:
                if text.count(old) != 1:
                    raise ValueError(f"{old!r} stands {text.count(old)} times in {name}, not once")
                text = text.replace(old, new)
        heads = []
        for match in IMPORT.finditer(text):
            target = (path.parent / match[3]).resolve()
            visit(target)
            taken = f"{{{match[1].replace(' as ', ': ')}}}" if match[1] else f"{{ default: {match[2]} }}"
            heads.append(f'const {taken} = modules["{target.relative_to(SOURCES).as_posix()}"];')
        body = PLAIN.sub("", IMPORT.sub("", text)).replace("export default ", "exports.default = ")
        tail = f"Object.assign(exports, {{ {', '.join(EXPORT.findall(text))} }});"
        seen.pop(name)  # after what it imports
        head, foot = f'modules["{name}"] = {{}};\n(function (exports) {{', f'}})(modules["{name}"]);'
        seen[name] = "\n".join([head, *heads, body, tail, foot])

    visit((SOURCES / entry).resolve())
    return "const modules = {};\n" + "\n".join(seen.values())


class Page:
    """One demo with its data, without a page: what it computes, says, and does."""

    def __init__(self, name: str, data: dict[str, Any], *planted: tuple[str, str, str]):
        self.engine = MiniRacer()
        self.engine.eval(
            linked(f"demos/{name}.js", *planted) + "\n" + linked("packing.js", *planted).partition("\n")[2]
        )
        self.engine.eval('const { unpacked } = modules["packing.js"];' + DRIVER)
        self.engine.eval(f'take(modules["demos/{name}.js"].default, {json.dumps(as_json(data))})')
        self.facts = json.loads(self.engine.eval("facts()"))

    def answers(self, settings: list[dict[str, Any]]) -> list[list]:
        """Fields and words at each setting."""
        return json.loads(self.engine.eval(f"answer({json.dumps(json.dumps(settings))})"))

    def acted(self, values: dict[str, Any], actions: list[list]) -> list[list]:
        """Values and words before, and after each of the actions [label, ...]."""
        given = json.dumps(json.dumps(values)), json.dumps(json.dumps(actions))
        return json.loads(self.engine.eval(f"acted({', '.join(given)})"))
