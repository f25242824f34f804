/** Style and script of the HTML report. */

export const STYLE = `
:root{--bg:#f5f6f8;--card:#fff;--ink:#16191f;--muted:#626a78;--grid:#e3e6eb;--line:#e3e6eb;--c1:#2f6fed;--c2:#0d9488;--c3:#c2620a;--bad:#d12f3c;--good:#12805c;--good-bg:#e2f5ed;--bad-bg:#fdeaea;--warn:#8a5a00;--warn-bg:#fdf3dc;--band:#16191f0a;--shadow:0 1px 2px rgb(16 24 40/.06)}
@media (prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#161a21;--ink:#e8ebf0;--muted:#98a2b3;--grid:#262c36;--line:#262c36;--c1:#6ea0ff;--c2:#35c4b2;--c3:#f0a35a;--bad:#ff7078;--good:#4cd2a0;--good-bg:#12302a;--bad-bg:#3a1a1f;--warn:#f2c46b;--warn-bg:#352a12;--band:#ffffff0a;--shadow:none}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;font-variant-numeric:tabular-nums}
header,main{max-width:1240px;margin:0 auto;padding:0 24px}
header{display:flex;justify-content:space-between;align-items:center;gap:16px;padding-top:32px;padding-bottom:20px}
h1{font-size:28px;line-height:1.2;letter-spacing:-.02em;margin:0}
h2{font-size:17px;letter-spacing:-.01em;margin:32px 0 12px}
.hint{color:var(--muted);font-size:13px;margin:-8px 0 12px}
h3{font-size:14px;margin:0}
p{margin:0}
.kind{color:var(--muted);font-size:13px;margin-bottom:2px}
.when{color:var(--muted);margin-top:4px}
.verdict{padding:8px 18px;border-radius:999px;font-size:16px;white-space:nowrap}
.verdict.passed{background:var(--good-bg);color:var(--good)}
.verdict.failed{background:var(--bad-bg);color:var(--bad)}
.verdict.stopped{background:var(--warn-bg);color:var(--warn)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:0}
.tile,.checks,figure,.wide,.facts,.examples{background:var(--card);border:1px solid var(--line);border-radius:12px;box-shadow:var(--shadow)}
.tile{padding:14px 18px}
.tile dt{color:var(--muted);font-size:13px}
.tile dd{margin:2px 0;font-size:27px;font-weight:650;letter-spacing:-.02em;line-height:1.25}
.tile p{color:var(--muted);font-size:13px}
.checks,.examples{list-style:none;margin:0;padding:6px 0}
.checks li{display:grid;grid-template-columns:22px minmax(200px,320px) 1fr;gap:10px;align-items:baseline;padding:7px 18px}
.checks li+li{border-top:1px solid var(--line)}
.checks b{font-weight:600}
.checks span:last-child{color:var(--muted);overflow-wrap:anywhere}
.sign{width:20px;height:20px;border-radius:50%;display:inline-grid;place-items:center;font-size:12px;font-weight:700}
.passed .sign{background:var(--good-bg);color:var(--good)}
.failed .sign{background:var(--bad-bg);color:var(--bad)}
.skipped .sign{color:var(--muted)}
.checks .failed b,.checks .failed span:last-child{color:var(--bad)}
.checks .skipped b{color:var(--muted);font-weight:500}
.examples{padding:10px 18px}
.examples li{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:12px}
figure{margin:0;padding:14px 14px 6px 18px;min-width:0}
figcaption p{color:var(--muted);font-size:13px}
.plot{position:relative;margin:4px 0 0 -10px}
.plot svg{display:block;width:100%;height:auto}
.plot text{fill:var(--muted)}
.cursor{position:absolute;top:0;width:1px;background:var(--muted);opacity:.6;pointer-events:none}
.tip{position:absolute;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:6px 10px;font-size:12px;line-height:1.45;pointer-events:none;box-shadow:0 4px 14px rgb(0 0 0/.16);white-space:nowrap;z-index:1}
.tip b{display:block;color:var(--muted);font-weight:500}
.tip div{display:flex;justify-content:space-between;gap:14px}
.tip span{font-weight:600}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:8px 18px;text-align:right;white-space:nowrap}
th:first-child{text-align:left}
thead th{color:var(--muted);font-size:13px;font-weight:500}
tbody th{font-weight:500}
tbody tr{border-top:1px solid var(--line)}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:8px 24px;margin:0 0 48px;padding:16px 18px}
.facts dt{color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere}
code{font:13px ui-monospace,monospace}
@media (max-width:640px){.checks li{grid-template-columns:22px 1fr}.checks span:last-child{grid-column:2}.facts{grid-template-columns:1fr;gap:2px}.facts dd{margin-bottom:10px}header,main{padding-left:14px;padding-right:14px}}
@media print{body{background:#fff}figure,.tile{break-inside:avoid}}
`;

/** Shows the values at the mouse pointer. Uses GRID, which the page defines. */
export const CURSOR_SCRIPT = `
for (const plot of document.querySelectorAll(".plot")) {
  const { min, max, xs, names, lines } = JSON.parse(plot.dataset.cursor);
  const line = document.createElement("div"), tip = document.createElement("div");
  line.className = "cursor"; tip.className = "tip"; line.hidden = tip.hidden = true;
  plot.append(line, tip);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect(), scale = box.width / GRID.width;
    const inner = GRID.width - GRID.left - GRID.right;
    const wanted = min + ((event.clientX - box.left) / scale - GRID.left) / inner * (max - min);
    let at = 0;
    for (let i = 1; i < xs.length; i++) if (Math.abs(xs[i] - wanted) < Math.abs(xs[at] - wanted)) at = i;
    const x = (GRID.left + (xs[at] - min) / (max - min) * inner) * scale;
    Object.assign(line.style, { left: x + "px", top: GRID.top * scale + "px", height: (GRID.height - GRID.top - GRID.bottom) * scale + "px" });
    const title = document.createElement("b");
    title.textContent = names[at];
    tip.replaceChildren(title, ...lines.map(({ name, texts }) => {
      const row = document.createElement("div");
      const value = document.createElement("span");
      value.textContent = texts[at];
      row.append(name, value);
      return row;
    }));
    line.hidden = tip.hidden = false;
    tip.style.top = GRID.top * scale + "px";
    tip.style.left = Math.max(0, x + (x > box.width / 2 ? -tip.offsetWidth - 10 : 10)) + "px";
  });
  plot.addEventListener("pointerleave", () => { line.hidden = tip.hidden = true; });
}
`;
