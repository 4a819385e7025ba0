// The look of a demo. A constructed sheet is not inline style: a strict content security policy lets it through.

const STYLE = `
.lvm-explorable { font: 1rem/1.4 system-ui, sans-serif; container-type: inline-size; color: inherit; text-align: left; }
.lvm-explorable .lvm-controls { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; align-items: center; margin-bottom: .3rem; }
.lvm-explorable fieldset { border: 0; padding: 0; margin: 0; min-width: 0; display: flex; flex-wrap: wrap; gap: 0 .9rem; align-items: center; }
.lvm-explorable legend { float: left; padding: 0; margin: 0 .6rem 0 0; width: auto; font: inherit; }
.lvm-explorable label { display: inline-flex; gap: .5rem; align-items: center; min-height: 2.25rem; margin: 0; }
.lvm-explorable .lvm-slider { flex: 1 1 18rem; display: flex; gap: .5rem; align-items: center; }
.lvm-explorable .lvm-slider label { flex: 1; }
.lvm-explorable .lvm-slider span { white-space: nowrap; }
.lvm-explorable input { accent-color: #0072B2; margin: 0; }
.lvm-explorable input[type=range] { flex: 1; min-width: 7rem; height: 1.6rem; }
.lvm-explorable input[type=radio], .lvm-explorable input[type=checkbox] { width: 1.1rem; height: 1.1rem; }
.lvm-explorable output { min-width: 3.2em; font-variant-numeric: tabular-nums; }
.lvm-explorable button { font: inherit; padding: .25rem .9rem; min-height: 2.25rem; color: inherit; background: transparent; border: 1px solid currentColor; border-radius: 5px; cursor: pointer; }
.lvm-explorable button:active { background: rgba(127, 127, 127, .3); }
.lvm-explorable :focus-visible { outline: 3px solid #0072B2; outline-offset: 1px; }
.lvm-explorable .lvm-panels { display: grid; gap: .4rem; grid-template-columns: repeat(var(--lvm-narrow, 1), minmax(0, 1fr)); }
.lvm-explorable .lvm-panel { position: relative; min-width: 0; aspect-ratio: var(--lvm-aspect); }
@container (min-width: 40rem) {
  .lvm-explorable .lvm-panels { grid-template-columns: var(--lvm-columns); grid-template-areas: var(--lvm-areas); grid-auto-rows: minmax(0, 1fr); aspect-ratio: var(--lvm-wide); max-height: var(--lvm-tall, 72vh); max-width: 100%; margin: 0 auto; width: 100%; }
  .lvm-explorable .lvm-panel { aspect-ratio: auto; grid-area: var(--lvm-area, auto); }
}
.lvm-explorable canvas { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; max-width: none; }
.lvm-explorable .lvm-takes-hand { touch-action: none; cursor: crosshair; user-select: none; -webkit-user-select: none; }
.lvm-explorable .lvm-takes-hand:has(:focus-visible) { outline: 3px solid #0072B2; outline-offset: -3px; }
.lvm-explorable .lvm-hidden { position: absolute; width: 1px; height: 1px; min-width: 0; min-height: 0; overflow: hidden; clip-path: inset(50%); }
.lvm-explorable .lvm-words { font-size: 1.05rem; min-height: 3em; padding: .2rem .4rem; font-variant-numeric: tabular-nums; }
.lvm-explorable .lvm-error { color: #B00020; background: #fff; font-weight: bold; }
`;

let sheet;

export function dress(element) {
  const root = element.getRootNode(), home = root.adoptedStyleSheets ? root : document;
  if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLE);
  if (!home.adoptedStyleSheets.includes(sheet)) home.adoptedStyleSheets = [...home.adoptedStyleSheets, sheet];
}
