/** Measures one subject: starts it, connects clients, measures it idle and under traffic, stops it. */

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type Busy, measureBusy, measureWires, type Wires } from "./busy.ts";
import { LoadClient } from "./load-client.ts";
import { Measurement, type Traffic } from "./measurement.ts";
import { type Plan, tradeBody, trendingBody } from "./messages.ts";
import { cpuMicros, rssBytes } from "./process.ts";
import type { Latency } from "./stats.ts";
import type { Server, Subject } from "./subjects.ts";

/** What is measured of each subject: 10,000 clients, the busy windows, and bytes on the interface. */
export const PARTS = ["all", "busy", "wire"] as const;
export type Part = (typeof PARTS)[number];

export interface Settings {
  parts: readonly Part[];
  plan: Plan;
  /** Length of each window of traffic. */
  seconds: number;
  idleSeconds: number;
  /** Pause between the traffic and the last measurement of memory. */
  settleSeconds: number;
  inFlight: number;
  /** Number of messages to all clients. */
  broadcasts: number;
}

export interface Run {
  subject: string;
  /** Load average of the minute before the run: shows what else the machine did. */
  loadAverage: number;
  /** Each part that was measured. */
  many?: Many;
  busy?: Busy;
  wire?: Wires;
  errors: string[];
}

/** Figures with all connections. */
export interface Many {
  served: number;
  refused: Record<string, number>;
  connectionsPerSecond: number;
  /** CPU for each new connection, with its subscription, µs. */
  connectMicros: number;
  /** Memory of the server before the first connection, bytes. */
  rssEmpty: number;
  /** Additional bytes for each connection: idle, and some time after the traffic. */
  rssIdle: number;
  rssAfter: number;
  /** Additional bytes for each connection right after each kind of traffic. */
  rssPath: Record<string, number>;
  /** CPU of the idle server with all connections, percent of a core. */
  idlePercent: number;
  at12: Traffic;
  at30: Traffic;
  everyone: Traffic;
  /** Time from publishing to the last client, ms, for each broadcast. */
  lastMs: number[];
  trendingBytes: number;
}

const RATES = { at12: 12, at30: 30 } as const;
const WARM_UP_SECONDS = 2;
const TRENDING_MESSAGES = 2;
const EMPTY_SETTLE_MS = 1500;

/** Combines several broadcasts: means of the costs, and the latency of the slowest one. */
function together(parts: readonly Traffic[]): Traffic {
  const sum = (of: (traffic: Traffic) => number) => parts.reduce((total, part) => total + of(part), 0);
  const deliveries = sum((part) => part.deliveries);
  const mean = (of: (traffic: Traffic) => number) => sum((part) => of(part) * part.deliveries) / deliveries;
  const worst = (of: (latency: Latency) => number) => Math.max(...parts.map(({ latency }) => of(latency)));
  return {
    deliveries,
    seconds: sum((part) => part.seconds),
    cpuMicros: mean((part) => part.cpuMicros),
    cpuMicrosRaw: mean((part) => part.cpuMicrosRaw),
    loadMicros: mean((part) => part.loadMicros),
    bytes: mean((part) => part.bytes),
    latency: {
      samples: sum((part) => part.latency.samples),
      p50: worst(({ p50 }) => p50),
      p99: worst(({ p99 }) => p99),
      max: worst(({ max }) => max),
    },
    checked: sum((part) => part.checked),
  };
}

async function measureMany(
  subject: Subject,
  server: Server,
  load: LoadClient,
  settings: Settings,
  errors: string[],
): Promise<Many> {
  const { plan } = settings;
  const seconds = subject.slow ? Math.ceil(settings.seconds / 3) : settings.seconds;
  const measurement = new Measurement(server, load);
  await sleep(EMPTY_SETTLE_MS);
  const rssEmpty = rssBytes(server.pids);
  const cpuEmpty = cpuMicros(server.pids);
  const connected = await load.ask<"connect">({
    kind: "connect",
    target: {
      dialect: subject.dialect,
      host: "127.0.0.1",
      port: server.port,
      deflate: subject.deflate,
      plan,
      inFlight: settings.inFlight,
    },
  });
  if (connected.served === 0)
    throw new Error(`no connection was served: ${JSON.stringify(connected.refused)}`);
  const connectMicros = (cpuMicros(server.pids) - cpuEmpty) / connected.served;
  const rss = () => (rssBytes(server.pids) - rssEmpty) / connected.served;
  const rssPath: Record<string, number> = {};
  await sleep(2000); // lets the work of connecting end
  await measurement.watchIdle(settings.idleSeconds);
  const rssIdle = rss();
  await measurement.steady(plan, RATES.at12, Math.min(WARM_UP_SECONDS, seconds));
  const at12 = await measurement.steady(plan, RATES.at12, seconds);
  rssPath.at12 = rss();
  const at30 = await measurement.steady(plan, RATES.at30, seconds);
  rssPath.at30 = rss();
  const broadcasts = [];
  for (let i = 0; i < settings.broadcasts; i++) broadcasts.push(await measurement.everyone(tradeBody()));
  rssPath.everyone = rss();
  let trendingBytes = 0;
  for (let i = 0; i < TRENDING_MESSAGES; i++) {
    trendingBytes = (await measurement.everyone(trendingBody())).traffic.bytes;
  }
  rssPath.trending = rss();
  await sleep(settings.settleSeconds * 1000);
  errors.push(...measurement.errors);
  return {
    served: connected.served,
    refused: connected.refused,
    connectionsPerSecond: connected.served / connected.seconds,
    connectMicros,
    rssEmpty,
    rssIdle,
    rssAfter: rss(),
    rssPath,
    idlePercent: measurement.idlePercent,
    at12,
    at30,
    everyone: together(broadcasts.map(({ traffic }) => traffic)),
    lastMs: broadcasts.map(({ lastMs }) => lastMs),
    trendingBytes,
  };
}

/** @param nats path of the program nats-server */
export async function measure(subject: Subject, nats: string, settings: Settings): Promise<Run> {
  const { plan, seconds, inFlight } = settings;
  const parts = settings.parts.filter((part) => part === "all" || subject.busy === true);
  const errors: string[] = [];
  const run: Run = { subject: subject.name, loadAverage: loadavg()[0] ?? Number.NaN, errors };
  const host = parts.includes("wire") ? "0.0.0.0" : "127.0.0.1";
  const server = await subject.start({ nats, connections: plan.connections, host });
  try {
    if (parts.includes("all")) {
      const load = new LoadClient();
      try {
        run.many = await measureMany(subject, server, load, settings, errors);
      } finally {
        await load.dispose();
      }
      await sleep(settings.settleSeconds * 1000); // lets the server forget its clients
    }
    const options = { subject, server, seconds, inFlight, errors };
    if (parts.includes("busy")) run.busy = await measureBusy(options);
    if (parts.includes("wire")) run.wire = await measureWires(options);
    return run;
  } finally {
    await server.stop();
  }
}
