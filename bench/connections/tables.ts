/** Formats the figures as tables in Markdown, for the terminal and for docs/performance.md. */

import type { Comeback, Empty, Fanout, Report, Step } from "./report.ts";

const whole = (value: number): string => Math.round(value).toLocaleString("en-US");
const kilobytes = (bytes: number): string => (bytes / 1024).toFixed(1);
const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(2);
const seconds = (ms: number): string => (ms / 1000).toFixed(1);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

export function failuresOf(failures: Readonly<Record<string, number>>): string {
  const found = Object.entries(failures).sort(([, a], [, b]) => b - a);
  return found.length === 0
    ? "none"
    : found.map(([reason, count]) => `${whole(count)} × ${reason}`).join(", ");
}

function emptyTable(rows: readonly Empty[]): string {
  return table(
    [
      "workers",
      "processes",
      "RSS of all, MB",
      "shared memory counted once, MB",
      "MB a process",
      "CPU, ms a second",
    ],
    rows.map(({ workers, processes, rss, pss, cpuPerSecond }) => [
      whole(workers),
      whole(processes),
      whole(rss / 1e6),
      whole(pss / 1e6),
      (pss / processes / 1e6).toFixed(1),
      (cpuPerSecond / 1000).toFixed(1),
    ]),
  );
}

function stepTable(rows: readonly Step[]): string {
  return table(
    [
      "connections",
      "opened a second",
      "failed attempts",
      "gateway, KB each",
      "kernel, KB each, both ends",
      "all of the machine, KB each",
      "all of the gateway's connections, GB",
      "CPU to open one, µs",
      "CPU idle, µs a second each",
      "idle, cores",
    ],
    rows.map(({ connections, opened, seconds: took, failures, bytes, idleMicros, openMicros, idleCores }) => [
      whole(connections),
      whole(opened / took),
      failuresOf(failures),
      kilobytes(bytes.gateway),
      kilobytes(bytes.kernel),
      kilobytes(bytes.machine),
      gigabytes((bytes.gateway + bytes.kernel / 2) * connections),
      whole(openMicros),
      idleMicros.toFixed(2),
      idleCores.toFixed(2),
    ]),
  );
}

function comebackTable(rows: readonly Comeback[]): string {
  return table(
    [
      "what ends",
      "connections",
      "clients lost",
      "all back after",
      "p50",
      "p99",
      "attempts",
      "failed attempts",
    ],
    rows.map(({ what, workers, connections, lost, seconds: took, missing, waits, attempts, failures }) => [
      what === "worker" ? `one of ${workers} workers` : "the gateway, another one takes all clients",
      whole(connections),
      whole(lost),
      took === undefined ? `${whole(missing)} not back` : `${took.toFixed(1)} s`,
      `${seconds(waits.p50)} s`,
      `${seconds(waits.p99)} s`,
      whole(attempts),
      failuresOf(failures),
    ]),
  );
}

function fanoutTable(rows: readonly Fanout[]): string {
  return table(
    [
      "",
      "connections",
      "workers",
      "messages",
      "to",
      "lost or out of order",
      "p50, ms",
      "p99, ms",
      "gateway, cores",
      "load, cores",
      "gateway's memory, GB",
    ],
    rows.map((row) => [
      row.opening
        ? `while ${whole(row.openedPerSecond ?? 0)} connections a second are opened (failed: ${failuresOf(row.failures ?? {})})`
        : "idle otherwise",
      whole(row.connections),
      whole(row.workers),
      whole(row.messages),
      whole(row.audience),
      whole(row.lost + row.disorder),
      row.latency.p50.toFixed(1),
      row.latency.p99.toFixed(1),
      row.gatewayCores.toFixed(2),
      row.loadCores.toFixed(2),
      gigabytes(row.gatewayPss),
    ]),
  );
}

/** All tables of a report that have rows. */
export function tablesOf({ empty, steps, comebacks, fanouts }: Report): string {
  const parts = [
    empty.length > 0 ? emptyTable(empty) : "",
    steps.length > 0 ? stepTable(steps) : "",
    comebacks.length > 0 ? comebackTable(comebacks) : "",
    fanouts.length > 0 ? fanoutTable(fanouts) : "",
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}
