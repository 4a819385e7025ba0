// Search, dark or light, core or all: what a page of the site does by itself. No request leaves the folder.
const root = document.documentElement;
const field = document.getElementById("q"), hits = document.getElementById("hits");

// window.SEARCH: [address, page, heading, text], a section each.
function found(words) {
  return window.SEARCH.map(([address, page, heading, text]) => {
    const prose = text.toLowerCase(), head = `${page} ${heading}`.toLowerCase();
    let score = 0;
    for (const word of words) {
      const often = prose.split(word).length - 1, above = head.includes(word) ? 8 : 0;
      if (!often && !above) return null;
      score += Math.min(often, 6) + above;
    }
    const at = Math.max(0, prose.indexOf(words[0]));
    return { address, title: heading ? `${page} · ${heading}` : page, near: text.slice(Math.max(0, at - 60), at + 120), score };
  }).filter(Boolean).sort((a, b) => b.score - a.score).slice(0, 12);
}

field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter((word) => word.length > 1);
  hits.replaceChildren();
  hits.hidden = !words.length;
  if (!words.length) return;
  const list = found(words);
  for (const { address, title, near } of list) {
    const item = document.createElement("li"), link = document.createElement("a"), words = document.createElement("p");
    link.href = address;
    link.textContent = title;
    words.textContent = `… ${near} …`;
    item.append(link, words);
    hits.append(item);
  }
  if (!list.length) hits.append(Object.assign(document.createElement("li"), { textContent: "Nothing found." }));
});
field.addEventListener("keydown", (event) => { if (event.key === "Escape") { field.value = ""; hits.hidden = true; } });

const theme = document.getElementById("theme"), prefersDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (root.dataset.theme || (prefersDark.matches ? "dark" : "light")) === "dark";
const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* a page from the disk may keep nothing */ }
});
prefersDark.addEventListener("change", showTheme);
showTheme();

const core = document.getElementById("core");
core?.addEventListener("click", () => {
  const only = core.getAttribute("aria-pressed") !== "true";
  core.setAttribute("aria-pressed", String(only));
  document.body.toggleAttribute("data-core", only);
});

if (matchMedia("(max-width: 48rem)").matches) document.querySelector("nav details").open = false;
