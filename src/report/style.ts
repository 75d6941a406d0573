const light = `--page: #f6f7f9; --card: #ffffff; --ink: #16202c; --soft: #5a6675; --line: #dfe4ea;
  --dense: #98a3b3; --sparse: #0b7f78; --promised: #c3cbd6; --loss: #d9822b; --gain: #4f9d4a; --accent: #0b7f78;
  --f0: #0b7f78; --f1: #d9822b; --f2: #7356c9; --f3: #c2417c; --f4: #3f7fd0;
  --f5: #8a7a12; --f6: #2f5d3a; --f7: #7a4a32; --params: #0b6f8a; --work: #c96a12;`;
const dark = `--page: #10151b; --card: #182029; --ink: #e8edf3; --soft: #9eabba; --line: #2c3743;
  --dense: #76839a; --sparse: #3cc4b5; --promised: #47566a; --loss: #e8a255; --gain: #7cc673; --accent: #57d3c5;
  --f0: #3cc4b5; --f1: #e8a255; --f2: #a993f0; --f3: #ec7fb0; --f4: #76aef2;
  --f5: #d6c75a; --f6: #8fc99a; --f7: #c99a80; --params: #4fb8d6; --work: #f0a050;`;

/** Lines, bars and words of plots. */
const marks = `
svg text { fill: var(--ink); font-size: 13px; }
svg .tick, svg .note { fill: var(--soft); font-size: 12.5px; }
svg .value { font-variant-numeric: tabular-nums; fill: var(--soft); } svg .name { font-weight: 500; }
.grid { stroke: var(--line); } .frame { fill: none; stroke: var(--line); } .hit { fill: transparent; }
.promise { stroke: var(--soft); stroke-width: 1.5; } .even, .breakeven { stroke: var(--soft); stroke-dasharray: 4 4; }
.dot { fill-opacity: .72; stroke: var(--card); stroke-width: 1; } .dense { fill: var(--dense); } .sparse { fill: var(--sparse); }
.promised { fill: var(--promised); } .loss { fill: var(--loss); } .gain { fill: var(--gain); }
.format0 { fill: var(--f0); } .format1 { fill: var(--f1); } .format2 { fill: var(--f2); } .format3 { fill: var(--f3); }
.format4 { fill: var(--f4); } .format5 { fill: var(--f5); } .format6 { fill: var(--f6); } .format7 { fill: var(--f7); }
.line { fill-opacity: 0; stroke-width: 2.5; }
${Array.from({ length: 8 }, (_, i) => `.line.format${i} { stroke: var(--f${i}); }`).join(' ')}
.promisedline { fill: none; stroke: var(--dense); stroke-width: 2.5; stroke-dasharray: 7 4; }
.measuredline { fill: none; stroke: var(--sparse); stroke-width: 2.5; }
.measureddot { fill: var(--sparse); }
svg .panelhead { font-weight: 600; } svg .narrow { display: none; }
.params { fill: var(--params); } .work { fill: var(--work); } .bytes { fill: var(--f2); } .faint { fill-opacity: .3; }
.paramsline, .workline { fill: none; stroke: var(--params); stroke-width: 2.5; }
.workline { stroke: var(--work); stroke-dasharray: 7 4; }
.knot { stroke: var(--card); stroke-width: 1; }
`;

/** The look of the page: one column on a phone, two on a laptop, light or dark as the reader's system is. */
export const style = `
:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { ${dark} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Open Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 56px; }
h1, h2, h3 { line-height: 1.25; margin: 0; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; } h2 { font-size: 1.25rem; } h3 { font-size: 1.02rem; margin-bottom: 4px; }
p { margin: 6px 0; } .soft { color: var(--soft); font-size: .9rem; }
.report { margin-top: 40px; } .headline { font-size: 1.6rem; font-weight: 650; line-height: 1.25; margin: 10px 0 12px; text-wrap: balance; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px; margin-top: 16px; min-width: 0; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: 12px; padding: 0; margin: 16px 0 0; }
.facts > div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px; }
.facts dt { color: var(--soft); font-size: .85rem; } .facts dd { margin: 0; }
.facts .big { font-size: 1.45rem; font-weight: 650; line-height: 1.3; }
.facts .soft { font-size: .8rem; line-height: 1.35; }
.pair { display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; margin-top: 16px; } .pair .card { margin-top: 0; }
@media (min-width: 820px) { .pair { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: .85rem; color: var(--soft); margin: 4px 0 8px; padding: 0;
  list-style: none; }
.legend svg { width: 12px; height: 12px; margin-right: 5px; vertical-align: -1px; display: inline; }
ul.why { padding-left: 1.1em; margin: 6px 0; } ul.why li { margin: 6px 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 8px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
.right { text-align: right; } .wrap { white-space: normal; } summary { cursor: pointer; font-weight: 600; padding: 2px 0; }
a { color: var(--accent); }
:where(svg:not(.clip)) { display: block; width: 100%; overflow: visible; }
${marks}
@media (max-width: 480px) { .headline { font-size: 1.35rem; }
svg.plot text.tick, svg.plot text.note, svg.plot text.label { font-size: 17px; } svg text.aside { display: none; }
svg text.value { font-size: 11.5px; }
svg .clip text.name { font-size: 11.5px; } svg .clip .wide { display: none; } svg .clip .narrow { display: inline; } }
`;

/** The look of a plot in a file of its own: light, as what it is put into is not known. */
export const pictureStyle = `
svg { ${light} font-family: system-ui, "Segoe UI", Roboto, "Open Sans", "DejaVu Sans", sans-serif; }
${marks}`;
