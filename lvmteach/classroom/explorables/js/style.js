// The look of a demo. A constructed sheet is not inline style: a strict content security policy lets it through.
// A panel is a world of its own and a canvas a layer of its own (contain, will-change): a new picture costs the rest of
// the page no layout and no paint, two to three milliseconds a frame where there is no graphics card.

const STYLE = `
.lvm-explorable { font: 1rem/1.4 system-ui, sans-serif; container-type: inline-size; color: inherit; text-align: left;
.lvm-controls { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; align-items: center; margin-bottom: .3rem; }
fieldset { border: 0; padding: 0; margin: 0; min-width: 0; display: flex; flex-wrap: wrap; gap: 0 .9rem; align-items: center; }
legend { float: left; padding: 0; margin: 0 .6rem 0 0; width: auto; font: inherit; }
label { display: inline-flex; gap: .5rem; align-items: center; min-height: 2.25rem; margin: 0; }
.lvm-slider { flex: 1 1 18rem; display: flex; gap: .5rem; align-items: center; }
.lvm-slider label { flex: 1; }
input { accent-color: #0072B2; margin: 0; }
input[type=range] { flex: 1; min-width: 7rem; height: 1.6rem; }
input[type=radio], input[type=checkbox] { width: 1.1rem; height: 1.1rem; }
output { min-width: 3.2em; font-variant-numeric: tabular-nums; }
button { font: inherit; padding: .25rem .9rem; min-height: 2.25rem; color: inherit; background: transparent; border: 1px solid currentColor; border-radius: 5px; cursor: pointer; }
button:active { background: rgba(127, 127, 127, .3); }
:focus-visible { outline: 3px solid #0072B2; outline-offset: 1px; }
.lvm-panels { display: grid; gap: .4rem; grid-template-columns: repeat(var(--lvm-narrow, 1), minmax(0, 1fr)); }
.lvm-panel { position: relative; min-width: 0; aspect-ratio: var(--lvm-aspect); contain: strict; }
@container (min-width: 40rem) {
.lvm-slider span { white-space: nowrap; }
.lvm-panels { grid-template-columns: var(--lvm-columns); grid-template-areas: var(--lvm-areas); grid-auto-rows: minmax(0, 1fr); aspect-ratio: var(--lvm-wide); max-height: var(--lvm-tall, 72vh); max-width: 100%; margin: 0 auto; width: 100%; }
.lvm-panel { aspect-ratio: auto; grid-area: var(--lvm-area, auto); }
}
canvas { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; max-width: none; will-change: transform; }
.lvm-takes-hand { touch-action: none; cursor: crosshair; user-select: none; -webkit-user-select: none; }
.lvm-takes-hand:has(:focus-visible) { outline: 3px solid #0072B2; outline-offset: -3px; }
.lvm-hidden { position: absolute; width: 1px; height: 1px; min-width: 0; min-height: 0; overflow: hidden; clip-path: inset(50%); }
.lvm-words { font-size: 1.05rem; min-height: 3em; padding: .2rem .4rem; font-variant-numeric: tabular-nums; }
.lvm-error { color: #B00020; background: #fff; font-weight: bold; }
}
`;

let sheet;

export function dress(element) {
  const root = element.getRootNode(), home = root.adoptedStyleSheets ? root : document;
  if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLE);
  if (!home.adoptedStyleSheets.includes(sheet)) home.adoptedStyleSheets = [...home.adoptedStyleSheets, sheet];
}
