/** Renders the result as one HTML file that loads nothing from elsewhere. */

import { createHash } from "node:crypto";
import type { Quantiles } from "../verdict/distribution.ts";
import type { Check, Result } from "../verdict/result.ts";
import { GRID, HEIGHT, WIDTH } from "./draw-plot.ts";
import { CURSOR_SCRIPT, STYLE } from "./page-assets.ts";
import { type Figure, figuresOf } from "./plots.ts";

const MB = 1024 * 1024;
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign] ?? sign);
const number = (value: number, digits = 0): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: digits });
const ms = (value: number): string =>
  value >= 1000 ? `${number(value / 1000, 2)} s` : `${number(value, 1)} ms`;

const TITLES: Readonly<Record<Result["scenario"], string>> = {
  "connection-rate": "Connection rate",
  throughput: "Throughput",
  sustained: "Sustained load",
  reconnect: "Reconnect storm",
  "slow-clients": "Slow clients",
};
const OUTCOMES = { passed: "Passed", failed: "Failed", stopped: "Stopped early" } as const;

function tile(name: string, value: string, note: string): string {
  return `<div class="tile"><dt>${name}</dt><dd>${value}</dd><p>${escaped(note)}</p></div>`;
}

function tiles(result: Result): string {
  const { latency, connect, timeline, deliverySummary } = result;
  const most = (of: (point: (typeof timeline)[number]) => number | undefined) =>
    timeline.reduce((max, point) => Math.max(max, of(point) ?? 0), 0);
  const cpu = most(({ cpuPercent }) => cpuPercent);
  const memory = most(({ memoryBytes }) => memoryBytes);
  const traffic = result.stages.reduce((sum, { from, to }) => sum + to - from, 0);
  const delivered = result.stages.reduce((sum, { deliveries }) => sum + deliveries, 0);
  const all = [
    tile(
      "Connections",
      number(result.open),
      `of ${number(result.command.connections)}, opened in ${number(result.secondsToConnect, 1)} s`,
    ),
    tile(
      "Deliveries",
      number(result.deliveries),
      `${number(delivered / Math.max(traffic, 1))} a second, ${number(result.bytes / MB)} MB`,
    ),
    latency.samples > 0
      ? tile("Latency, 99 %", ms(latency.p99), `median ${ms(latency.p50)}, slowest ${ms(latency.max)}`)
      : tile(
          "Time to connect, 99 %",
          ms(connect.p99),
          `median ${ms(connect.p50)}, slowest ${ms(connect.max)}`,
        ),
    tile(
      "Lost deliveries",
      number(deliverySummary.lost),
      `of ${number(result.messages)} messages to their subscribers`,
    ),
  ];
  if (memory > 0)
    all.push(
      tile("Gateway", `${number(cpu)} %`, `of the CPU limit, ${number(memory / MB)} MB memory, at the most`),
    );
  return `<dl class="tiles">${all.join("")}</dl>`;
}

const SIGNS = { passed: "✓", failed: "✕", skipped: "–" } as const;
const OUTCOME_LABELS = { passed: "passed", failed: "failed", skipped: "not checked" } as const;

function checkRow({ name, outcome, text }: Check): string {
  return `<li class="${outcome}"><span class="sign" role="img" aria-label="${OUTCOME_LABELS[outcome]}">${SIGNS[outcome]}</span><b>${escaped(name)}</b><span>${escaped(text)}</span></li>`;
}

function figure({ title, note, svg, cursor }: Figure): string {
  return `<figure><figcaption><h3>${escaped(title)}</h3><p>${escaped(note)}</p></figcaption><div class="plot" data-cursor="${escaped(JSON.stringify(cursor))}">${svg}</div></figure>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    row
      .map(
        (cell, index) =>
          `<${index === 0 ? 'th scope="row"' : tag}>${escaped(cell)}</${index === 0 ? "th" : tag}>`,
      )
      .join("");
  const heads = head.map((cell) => `<th scope="col">${escaped(cell)}</th>`).join("");
  return `<div class="wide"><table><thead><tr>${heads}</tr></thead><tbody>${rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("")}</tbody></table></div>`;
}

function quantileRow(name: string, { samples, p50, p90, p99, p999, max }: Quantiles, extra = "–"): string[] {
  return [name, number(samples), ...[p50, p90, p99, p999, max].map(ms), extra];
}

function times(result: Result): string {
  const rows = result.stages
    .filter(({ latency }) => latency.samples > 0)
    .map(({ name, latency, deliveries, from, to }) =>
      quantileRow(`Delivery, ${name}`, latency, number(deliveries / Math.max(to - from, 1))),
    );
  rows.push(quantileRow("Connecting", result.connect));
  if (result.resume.samples > 0) rows.push(quantileRow("Reconnecting", result.resume));
  if (result.roundTrip.samples > 0) rows.push(quantileRow("Heartbeat round trip", result.roundTrip));
  return table(["", "samples", "50 %", "90 %", "99 %", "99.9 %", "slowest", "a second"], rows);
}

function counted(title: string, counts: Record<string, number>): string {
  const rows = Object.entries(counts).map(([name, count]) => [name, number(count)]);
  return rows.length === 0 ? "" : `<section><h2>${title}</h2>${table(["", "count"], rows)}</section>`;
}

function about(result: Result): string {
  const { command, machine } = result;
  const facts: [string, string][] = [
    ["Gateway", command.urls.join(", ")],
    ["Messages", result.feed],
    ["Latency", result.latencyBasis],
    [
      "Clients",
      `${number(command.connections)} connections in ${command.workers === 1 ? "one process" : `${command.workers} processes`}, permessage-deflate ${command.compression ? "offered" : "not offered"}${command.compact ? ", compact encoding" : ""}${command.last ? ", last values" : ""}${command.maxRate === undefined ? "" : `, at most ${number(command.maxRate, 1)} messages a second of each channel`}${command.conflate ? "; the gateway conflates for slow clients" : ""}`,
    ],
    [
      "Rate",
      `${command.rates.map((rate) => number(rate, 1)).join(", ")} ${result.scenario === "connection-rate" ? "connections" : "messages"} a second for ${number(command.seconds)} s`,
    ],
    [
      "Recovery",
      `${number(result.gaps)} missing sequence numbers, ${number(result.replays)} replay requests, ${number(result.caughtUp)} deliveries after a resume, ${number(result.throttled)} throttle notices`,
    ],
    [
      "Load test machine",
      `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}, Linux ${machine.kernel}`,
    ],
  ];
  if (result.gateway.error !== undefined)
    facts.push(["Gateway metrics", `could not be read: ${result.gateway.error}`]);
  return `<dl class="facts">${facts.map(([name, text]) => `<dt>${name}</dt><dd>${escaped(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>")}</dd>`).join("")}</dl>`;
}

const hashOf = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

export function reportHtml(result: Result): string {
  const title = TITLES[result.scenario];
  const when = result.startedAt.replace("T", " ").slice(0, 19);
  const examples = result.examples.map((example) => `<li>${escaped(example)}</li>`).join("");
  const script = `const GRID=${JSON.stringify({ ...GRID, width: WIDTH, height: HEIGHT })};${CURSOR_SCRIPT}`;
  // The policy allows only the page's own style and script, so no text of a run can become a script.
  const policy = `default-src 'none'; style-src ${hashOf(STYLE)}; script-src ${hashOf(script)}; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}: ${OUTCOMES[result.outcome]}</title>
<style>${STYLE}</style>
</head>
<body>
<header><div><p class="kind">Load test</p><h1>${title}</h1><p class="when">${when} UTC, ${number(result.seconds)} s</p></div>
<strong class="verdict ${result.outcome}">${OUTCOMES[result.outcome]}</strong></header>
<main>
${tiles(result)}
<section><h2>Checks</h2><ul class="checks">${result.checks.map(checkRow).join("")}</ul></section>
${examples === "" ? "" : `<section><h2>Examples of what went wrong</h2><ul class="examples">${examples}</ul></section>`}
<section><h2>Over time</h2><p class="hint">Shaded: the time in which latency is checked</p><div class="figures">${figuresOf(result).map(figure).join("")}</div></section>
<section><h2>Times</h2>${times(result)}</section>
${counted("Refused connection attempts", result.refused)}
${counted("Connections that ended", result.ended)}
<section><h2>About this run</h2>${about(result)}</section>
</main>
<script>${script}</script>
</body>
</html>
`;
}
