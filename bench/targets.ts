/** The gateway's targets, some of them relative to its peers in the same run. */

import type { Figures } from "./figures.ts";

export interface Verdict {
  target: string;
  /** Measured value; undefined when a required subject was not run. */
  value: number | undefined;
  limit: number;
  sense: "<=" | ">=" | "<";
  unit: string;
  met: boolean | undefined;
}

const KB = 1024;
const MAX_IDLE_KB = 12;
const MAX_AFTER_KB = 16;
const MAX_OF_BARE_WS = 1.0;
const MAX_OF_PLAIN = 1.3;
const MAX_COMPACT_OF_PLAIN = 1.1;
/** More than a plain connection. */
const MAX_COMPACT_KB = 1;
const MIN_CONNECTIONS_PER_SECOND = 500;
const MAX_P99_MS = 50;
const MAX_TRENDING_PERCENT = 40;
/** Of nats-server's CPU for a delivery in the same run. */
const MAX_OF_NATS = { busy800: 0.6, burst800: 0.6, busy100: 0.7 } as const;

function verdict(
  target: string,
  sense: Verdict["sense"],
  limit: number,
  unit: string,
  measured: number | undefined,
): Verdict {
  const value = Number.isNaN(measured) ? undefined : measured;
  const within = (is: number) => (sense === "<=" ? is <= limit : sense === "<" ? is < limit : is >= limit);
  return { target, sense, limit, unit, value, met: value === undefined ? undefined : within(value) };
}

/** Compares the measured figures with the targets. */
export function verdicts(figures: ReadonlyMap<string, Figures>, offered: number): Verdict[] {
  const plain = figures.get("gateway");
  const deflated = figures.get("gateway-deflate");
  const compact = figures.get("gateway-compact");
  const ws = figures.get("ws");
  const nats = figures.get("nats");
  const busy = [
    ["800 msg/s to 200", "busy800"],
    ["800 msg/s in bursts", "burst800"],
    ["100 msg/s to 1,210", "busy100"],
  ] as const;
  const ours = [
    ["plain", plain],
    ["with a write delay", figures.get("gateway-delay")],
  ] as const;
  const ratio = (of: Figures | undefined, to: Figures | undefined, pick: (figures: Figures) => number) =>
    of === undefined || to === undefined ? undefined : pick(of) / pick(to);
  const worst = (pick: (figures: Figures) => number, choose: (...values: number[]) => number) =>
    plain === undefined || deflated === undefined ? undefined : choose(pick(plain), pick(deflated));
  const windows = [
    ["12 msg/s", (of: Figures) => of.cpu12],
    ["30 msg/s", (of: Figures) => of.cpu30],
    ["one to all", (of: Figures) => of.cpuEveryone],
  ] as const;
  return [
    verdict("memory per connection, idle, plain", "<=", MAX_IDLE_KB, "KB", plain && plain.rssIdle / KB),
    verdict(
      "memory per connection, idle, compressed",
      "<=",
      MAX_IDLE_KB,
      "KB",
      deflated && deflated.rssIdle / KB,
    ),
    verdict(
      "memory per connection, after compressed traffic",
      "<=",
      MAX_AFTER_KB,
      "KB",
      deflated && deflated.rssAfter / KB,
    ),
    ...windows.map(([name, pick]) =>
      verdict(`CPU per delivery, plain, ${name}`, "<=", MAX_OF_BARE_WS, "× bare ws", ratio(plain, ws, pick)),
    ),
    ...windows.map(([name, pick]) =>
      verdict(
        `CPU per delivery, compressed, ${name}`,
        "<=",
        MAX_OF_PLAIN,
        "× our plain",
        ratio(deflated, plain, pick),
      ),
    ),
    verdict(
      "memory per connection, idle, compact",
      "<=",
      MAX_COMPACT_KB,
      "KB more than plain",
      plain && compact && (compact.rssIdle - plain.rssIdle) / KB,
    ),
    ...windows.map(([name, pick]) =>
      verdict(
        `CPU per delivery, compact, ${name}`,
        "<=",
        MAX_COMPACT_OF_PLAIN,
        "× our plain",
        ratio(compact, plain, pick),
      ),
    ),
    ...busy.map(([window, key]) =>
      verdict(
        `CPU per delivery, compact, ${window}`,
        "<=",
        MAX_COMPACT_OF_PLAIN,
        "× our plain",
        ratio(compact, plain, (of) => of[key]),
      ),
    ),
    ...busy.flatMap(([window, key]) =>
      ours.map(([name, own]) =>
        verdict(
          `CPU per delivery, ${name}, ${window}`,
          "<=",
          MAX_OF_NATS[key],
          "× nats-server",
          ratio(own, nats, (of) => of[key]),
        ),
      ),
    ),
    verdict(
      "connections served",
      ">=",
      offered,
      "",
      worst((of) => of.served, Math.min),
    ),
    verdict(
      "new connections",
      ">=",
      MIN_CONNECTIONS_PER_SECOND,
      "/s",
      worst((of) => of.connectionsPerSecond, Math.min),
    ),
    verdict(
      "latency p99, 12 msg/s",
      "<",
      MAX_P99_MS,
      "ms",
      worst((of) => of.p99, Math.max),
    ),
    verdict(
      "trending, compressed",
      "<=",
      MAX_TRENDING_PERCENT,
      "% of plain",
      percent(ratio(deflated, plain, (of) => of.trendingBytes)),
    ),
  ];
}

const percent = (share: number | undefined): number | undefined => share && share * 100;
