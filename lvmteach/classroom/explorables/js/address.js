// A demo's values in the page's address, #z=1.2,-0.5&sleeps=1/4, and what may stand there.

const short = (x) => String(Number.isInteger(x) ? x : Number(x.toPrecision(6))); // a seed has up to ten digits

const flat = (value) => Array.isArray(value) && value.every((x) => typeof x === "number");

export function written(values) {
  return Object.entries(values).map(([name, value]) => {
    const text = typeof value === "number" ? short(value) : flat(value) ? value.map(short).join() : typeof value === "string" ? value : JSON.stringify(value);
    return `${name}=${encodeURIComponent(text).replace(/%2C/g, ",").replace(/%2F/g, "/").replace(/%20/g, "+")}`;
  }).join("&");
}

// The values that an address holds for this demo. What is unknown, or is no value of its control, is left out.
export function read(text, demo) {
  const found = {};
  for (const part of text.replace(/^#/, "").split("&")) {
    const at = part.indexOf("="), name = part.slice(0, at);
    if (at < 1 || !(name in demo.start)) continue;
    try {
      const value = parsed(decodeURIComponent(part.slice(at + 1).replace(/\+/g, " ")), demo.start[name]);
      if (allowed(demo, name, value)) found[name] = value;
    } catch { /* a broken address is no reason to show nothing */ }
  }
  return found;
}

function parsed(text, like) {
  if (typeof like === "number") return Number(text);
  if (flat(like)) return text === "" ? [] : text.split(",").map(Number);
  return typeof like === "string" ? text : JSON.parse(text);
}

// Whether `value` is one that the demo's own controls could have given.
export function allowed(demo, name, value) {
  const like = demo.start[name], control = demo.controls.find((c) => c.name === name);
  if (demo.allows?.[name]) return demo.allows[name](value);
  if (control?.kind === "choice") return control.options.some(([, option]) => option === value);
  if (control?.kind === "ladder") return control.options.includes(value);
  if (typeof like !== typeof value) return false;
  if (typeof like === "number") return Number.isFinite(value) && (!control || (value >= control.low && !(value > control.high)));
  if (flat(like)) return flat(value) && value.length === like.length && value.every(Number.isFinite);
  return typeof like === "boolean" || (like === null) === (value === null);
}
