/** The figures of one run, and their table. */

import type { Cores } from "./core-watch.ts";
import type { Counts } from "./load-messages.ts";
import type { Goal, Scenario } from "./scenarios.ts";
import type { Peer } from "./servers.ts";

export interface Outcome {
  scenario: string;
  peer: string;
  clients: number;
  outages: number;
  inOrderPercent: number;
  /** Messages that came twice or in the wrong order. */
  wrong: number;
  lossyClients: number;
  neverBack: number;
  /** Outages that ended with the next cut instead. */
  overtaken: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  worstMs: number;
  /** Mean time between two heartbeats of a client, s. */
  heartbeatSeconds: number;
  /** Clients that have received over HTTP at some time. */
  overHttp: number;
  /** Most clients that were back in the same second of the fault. */
  backInASecond: number;
  /** Cores in the busiest second of the fault. */
  cores: Cores;
  /** What misses its goal; only for odin-ws. */
  misses: string[];
}

/** What was seen beside the clients' own counts. */
export interface Seen {
  /** Beginning of the scenario, ms since 1970. */
  from: number;
  cores: Cores;
}

export function outcomeOf(scenario: Scenario, peer: Peer, counts: Counts, { from, cores }: Seen): Outcome {
  const seconds = Object.entries(counts.backPerSecond).filter(([second]) => Number(second) * MS >= from);
  const times = Float64Array.from(counts.outagesMs).sort();
  const at = (share: number) =>
    Math.round(times[Math.max(0, Math.ceil(times.length * share) - 1)] ?? Number.NaN);
  const outcome: Outcome = {
    scenario: scenario.name,
    peer: peer.name,
    clients: counts.clients,
    outages: times.length,
    inOrderPercent: counts.due === 0 ? 0 : (100 * counts.inOrder) / counts.due,
    wrong: counts.wrong,
    lossyClients: counts.lossy,
    neverBack: counts.neverBack,
    overtaken: counts.overtaken,
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    p99Ms: at(0.99),
    worstMs: at(1),
    heartbeatSeconds: counts.heartbeats === 0 ? Number.NaN : counts.connectedSeconds / counts.heartbeats,
    overHttp: counts.overHttp,
    backInASecond: Math.max(0, ...seconds.map(([, clients]) => clients)),
    cores,
    misses: [],
  };
  if (peer.name === "odin") outcome.misses = missesOf(outcome, scenario.goal);
  return outcome;
}

function missesOf(outcome: Outcome, goal: Goal): string[] {
  const misses: string[] = [];
  if (outcome.outages === 0) misses.push("no client had an outage");
  if (outcome.inOrderPercent !== 100) misses.push(`${outcome.inOrderPercent} % in order, not 100`);
  if (outcome.wrong > 0) misses.push(`${outcome.wrong} messages came twice or in the wrong order`);
  if (outcome.neverBack > 0) misses.push(`${outcome.neverBack} clients never came back`);
  // A client over HTTP costs the gateways several times the CPU, and its WebSocket would have worked.
  if (outcome.overHttp > 0) misses.push(`${outcome.overHttp} clients received over HTTP`);
  for (const [key, limit] of Object.entries(goal) as [keyof Goal, number][])
    if (!(outcome[key] <= limit)) misses.push(`${key.slice(0, -2)} ${outcome[key]} ms, goal ${limit} ms`);
  return misses;
}

const MS = 1000;
const HEAD = ["", "in order", "p50", "p95", "p99", "worst", "clients with a loss", "never back"];

/** A table in Markdown of the outcomes of one scenario. */
export function tableOf(outcomes: readonly Outcome[], titleOf: (peer: string) => string): string {
  const rows = outcomes.map((one) => [
    titleOf(one.peer),
    `${percent(one.inOrderPercent)} %`,
    ...[one.p50Ms, one.p95Ms, one.p99Ms, one.worstMs].map(seconds),
    String(one.lossyClients),
    String(one.neverBack),
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(HEAD), line(HEAD.map(() => "---")), ...rows.map(line)].join("\n");
}

/** One line for people: how fast the clients came back, and what kept them from coming back faster. */
export function paceOf({ backInASecond, cores, overHttp, heartbeatSeconds }: Outcome, title: string): string {
  const { servers, clients, others } = cores;
  return [
    `${title}: at most ${backInASecond} clients were back in a second`,
    `busiest second: servers ${tenths(servers)} cores, clients ${tenths(clients)}, NATS and the rest ${tenths(others)}`,
    `${overHttp} clients received over HTTP`,
    Number.isNaN(heartbeatSeconds) ? "no heartbeats" : `a heartbeat each ${tenths(heartbeatSeconds)} s`,
  ].join("; ");
}

const tenths = (value: number): string => value.toFixed(1);
/** 99.999 must not read as 100. */
const percent = (value: number): string =>
  value === 100 ? "100" : (Math.floor(value * 100) / 100).toFixed(2);
const seconds = (ms: number): string => (Number.isNaN(ms) ? "–" : `${(ms / 1000).toFixed(2)} s`);
