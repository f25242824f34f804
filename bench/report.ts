/** Formats the tables that the bench prints. */

import { cpus, release, totalmem, type } from "node:os";
import type { Figures, Summary } from "./figures.ts";
import type { HttpFigures } from "./http/measure-http.ts";
import { SUBJECTS } from "./subjects.ts";
import type { Verdict } from "./targets.ts";

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  node: string;
  kernel: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    kernel: `${type()} ${release()}`,
  };
}

/** Aligns columns: the first one to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)].join("\n");
}

const kb = (bytes: number): string => (bytes / 1024).toFixed(1);
const micros = (value: number): string => value.toFixed(2);
const whole = (value: number): string => value.toFixed(0);
const millis = (value: number): string => value.toFixed(value < 100 ? 1 : 0);
const titleOf = (name: string): string => SUBJECTS.find((subject) => subject.name === name)?.title ?? name;

/** `bare` and `nats`: the figures of the peers with which a subject is compared. */
type Peers = Record<"bare" | "nats", Figures | undefined>;
type Column = [head: string, cell: (summary: Summary, peers: Peers) => string];

/** Formats a figure; with several rounds also its least and largest value. */
const ranged = (key: keyof Figures, format: (value: number) => string) => (summary: Summary) =>
  summary.rounds === 1
    ? format(summary.median[key])
    : `${format(summary.median[key])} (${format(summary.least[key])}-${format(summary.most[key])})`;
const timesOf = (peer: keyof Peers) => (key: keyof Figures) => (summary: Summary, peers: Peers) => {
  const other = peers[peer];
  return other === undefined ? "" : `${(summary.median[key] / other[key]).toFixed(2)}x`;
};
const times = timesOf("bare");
const timesNats = timesOf("nats");

const CPU: readonly Column[] = [
  ["12 msg/s µs", ranged("cpu12", micros)],
  ["/ws", times("cpu12")],
  ["with idle µs", ({ median }) => micros(median.raw12)],
  ["30 msg/s µs", ranged("cpu30", micros)],
  ["/ws", times("cpu30")],
  ["with idle µs", ({ median }) => micros(median.raw30)],
  ["to all µs", ranged("cpuEveryone", micros)],
  ["/ws", times("cpuEveryone")],
  ["idle CPU %", ({ median }) => median.idlePercent.toFixed(1)],
];
const BUSY: readonly Column[] = [
  ["800/s to 200 µs", ranged("busy800", micros)],
  ["/nats", timesNats("busy800")],
  ["p99 ms", ({ median }) => millis(median.busy800p99)],
  ["8 at a time µs", ranged("burst800", micros)],
  ["/nats", timesNats("burst800")],
  ["p99 ms", ({ median }) => millis(median.burst800p99)],
  ["100/s to 1,210 µs", ranged("busy100", micros)],
  ["/nats", timesNats("busy100")],
  ["p99 ms", ({ median }) => millis(median.busy100p99)],
];
const WIRE: readonly Column[] = [
  ["12 msg/s B", ranged("wire12", whole)],
  ["packets", ({ median }) => median.wire12packets.toFixed(2)],
  ["800 msg/s B", ranged("wire800", whole)],
  ["packets", ({ median }) => median.wire800packets.toFixed(2)],
];
const REST: readonly Column[] = [
  ["served", ({ median }) => String(median.served)],
  ["new/s", ({ median }) => median.connectionsPerSecond.toFixed(0)],
  ["empty MB", ({ median }) => (median.rssEmpty / 2 ** 20).toFixed(0)],
  ["idle KB", ranged("rssIdle", kb)],
  ["/ws", times("rssIdle")],
  ["after KB", ranged("rssAfter", kb)],
  ["/ws", times("rssAfter")],
  ["p50 ms", ({ median }) => millis(median.p50)],
  ["p99 ms", ({ median }) => millis(median.p99)],
  ["p99 at 30/s", ({ median }) => millis(median.p99at30)],
  ["last of all ms", ranged("lastMs", millis)],
  ["trade B", ({ median }) => median.bytes.toFixed(0)],
  ["trending B", ({ median }) => median.trendingBytes.toFixed(0)],
];

function part(title: string, columns: readonly Column[], summaries: ReadonlyMap<string, Summary>): string {
  const peers = { bare: summaries.get("ws")?.median, nats: summaries.get("nats")?.median };
  const rows = [...summaries].map(([name, summary]) => [
    titleOf(name),
    // What was not measured is not a number.
    ...columns.map(([, cell]) => cell(summary, peers).replaceAll(/NaNx?( \(NaN-NaN\))?/g, "-")),
  ]);
  return `${title}\n${table([["", ...columns.map(([head]) => head)], ...rows])}`;
}

const SIGN = { "<=": "≤", ">=": "≥", "<": "<" } as const;

export function targetTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ target, sense, limit, unit, value, met }) => [
    target,
    `${SIGN[sense]} ${limit} ${unit}`.trim(),
    value === undefined ? "-" : String(Number(value.toFixed(2))),
    met === undefined ? "not measured" : met ? "met" : "missed",
  ]);
  return table([["", "must be", "measured", ""], ...rows]);
}

/** Formats two tables with a line for each subject: CPU, and everything else. */
export function subjectTables(summaries: ReadonlyMap<string, Summary>): string {
  return [
    part(
      "CPU of the server for each delivery (without idle CPU; /ws: compared with bare ws, plain)",
      CPU,
      summaries,
    ),
    part(
      "CPU of the server for each delivery when every client gets all messages (/nats: compared with nats-server, plain)",
      BUSY,
      summaries,
    ),
    part("Bytes of IP packets to clients for each delivery of a trade, and packets", WIRE, summaries),
    part("Connections, memory for each connection, latency, bytes for each delivery", REST, summaries),
  ].join("\n\n");
}

const WAY_TITLES: Record<HttpFigures["way"], string> = {
  websocket: "WebSocket, compressed",
  events: "server-sent events",
  poll: "polls, shared channels",
  mixed: "polls, own channels",
};

/** Formats what clients over HTTP cost beside clients over WebSocket. */
export function httpTable(all: readonly HttpFigures[]): string {
  const websocket = all.find(({ way }) => way === "websocket")?.cpuMicros ?? Number.NaN;
  const rows = all.map(({ way, clients, cpuMicros, messages, polls, notModified, bytes }) => [
    WAY_TITLES[way],
    String(clients),
    cpuMicros.toFixed(0),
    `${(cpuMicros / websocket).toFixed(2)}x`,
    // 10,000 clients for a second, of the µs of a core.
    `${((cpuMicros * 10_000) / 1e4).toFixed(0)} %`,
    messages.toFixed(2),
    polls.toFixed(0),
    `${(notModified * 100).toFixed(0)} %`,
    bytes.toFixed(0),
  ]);
  const head = ["", "clients", "CPU µs", "/ws", "10,000 clients", "messages", "polls/s", "304", "bytes"];
  return `A client and second over HTTP, beside WebSocket: CPU of the gateway, share of a core for 10,000 clients,
messages, polls a second of all clients and how many got 304, bytes to the client
${table([head, ...rows])}`;
}
