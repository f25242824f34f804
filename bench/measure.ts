/** One subject's run: start, connect, idle, traffic, stop. */

import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { subjectOf } from "@odin-ws/protocol";
import { moment } from "./clock.ts";
import { LoadClient } from "./load-client.ts";
import type { Arrived, Published } from "./load-control.ts";
import { EVERYONE, type Plan, stamped, tradeBody, trendingBody } from "./messages.ts";
import { cpuMicros, rssBytes } from "./process.ts";
import { fitIdle, type IdleCost, type IdleSample, idleMicros, type Latency } from "./stats.ts";
import type { Server, Subject } from "./subjects.ts";

export interface Settings {
  plan: Plan;
  /** Of each window of traffic. */
  seconds: number;
  idleSeconds: number;
  /** Between traffic and the last look at the memory. */
  settleSeconds: number;
  inFlight: number;
  /** Messages to everyone. */
  broadcasts: number;
}

export interface Traffic {
  deliveries: number;
  seconds: number;
  /** Microseconds of CPU a delivery, without and with what the server uses when idle. */
  cpuMicros: number;
  cpuMicrosRaw: number;
  /** What the load client used for it: it shares the cores, and is no bottleneck only while this is small. */
  loadMicros: number;
  /** Bytes a delivery on the wire, without TCP's and IP's headers. */
  bytes: number;
  latency: Latency;
  checked: number;
}

export interface Run {
  subject: string;
  /** Of the last minute before the run: what else the machine did. */
  loadAverage: number;
  served: number;
  refused: Record<string, number>;
  connectionsPerSecond: number;
  /** Microseconds of CPU a new connection, its subscription included. */
  connectMicros: number;
  /** Bytes of the server before the first connection. */
  rssEmpty: number;
  /** Bytes a connection beyond that: idle, and some time after the traffic. */
  rssIdle: number;
  rssAfter: number;
  /** The same right after each kind of traffic. */
  rssPath: Record<string, number>;
  /** Percent of a core, idle with all connections. */
  idlePercent: number;
  at12: Traffic;
  at30: Traffic;
  everyone: Traffic;
  /** Milliseconds from publishing to the last client, one for each broadcast. */
  lastMs: number[];
  trendingBytes: number;
  errors: string[];
}

const RATES = { at12: 12, at30: 30 } as const;
const WARM_UP_SECONDS = 2;
/** A server that cannot keep up may take as long again to catch up before it counts as lost. */
const CATCH_UP_MS = 90_000;
const TRENDING_MESSAGES = 2;
const EMPTY_SETTLE_MS = 1500;

/** @param time on the clock of `performance.now()`, milliseconds */
const until = (time: number): Promise<void> => sleep(Math.max(time - performance.now(), 0));

class Measurement {
  readonly #server: Server;
  readonly #load: LoadClient;
  idle: IdleCost = { perSecond: 0, perPing: 0 };
  /** Percent of a core. */
  idlePercent = 0;
  readonly errors: string[] = [];

  constructor(server: Server, load: LoadClient) {
    this.#server = server;
    this.#load = load;
  }

  publish(channel: string, body: string): void {
    this.#server.publisher.publish(subjectOf(channel), stamped(body));
  }

  /** Looks at CPU and heartbeats once a second. */
  async watchIdle(seconds: number): Promise<void> {
    const samples: IdleSample[] = [];
    let [cpu, pings, at] = [
      cpuMicros(this.#server.pids),
      await this.#load.ask<"pings">({ kind: "pings" }),
      performance.now(),
    ];
    for (let i = 0; i < seconds; i++) {
      await sleep(1000);
      const now = performance.now();
      const [cpuNow, pingsNow] = [
        cpuMicros(this.#server.pids),
        await this.#load.ask<"pings">({ kind: "pings" }),
      ];
      samples.push({ seconds: (now - at) / 1000, cpuMicros: cpuNow - cpu, pings: pingsNow - pings });
      [cpu, pings, at] = [cpuNow, pingsNow, now];
    }
    this.idle = fitIdle(samples);
    this.idlePercent = samples.reduce((sum, sample) => sum + sample.cpuMicros, 0) / seconds / 1e4;
  }

  /** Runs `send`, which returns what it has published, and waits until all of it has arrived. */
  async traffic(what: string, send: () => Promise<Published>): Promise<[Traffic, Arrived]> {
    await this.#load.ask<"begin">({ kind: "begin" });
    const [cpu, at] = [cpuMicros(this.#server.pids), performance.now()];
    const loadBefore = this.#load.cpuMicros;
    const published = await send();
    const arrived = await this.#load.ask<"finish">({ kind: "finish", published, timeoutMs: CATCH_UP_MS });
    const loadMicros = (this.#load.cpuMicros - loadBefore) / Math.max(arrived.deliveries, 1);
    const raw = cpuMicros(this.#server.pids) - cpu;
    const seconds = (performance.now() - at) / 1000;
    this.errors.push(...arrived.errors.map((error) => `${what}: ${error}`));
    const count = Math.max(arrived.deliveries, 1);
    const traffic = {
      deliveries: arrived.deliveries,
      seconds,
      cpuMicros: (raw - idleMicros(this.idle, seconds, arrived.pings)) / count,
      cpuMicrosRaw: raw / count,
      loadMicros,
      bytes: arrived.bytes / count,
      latency: arrived.latency,
      checked: arrived.checked,
    };
    return [traffic, arrived];
  }

  /** Messages at an even rate, to the hot channels in turn. */
  async steady({ hot }: Plan, rate: number, seconds: number): Promise<Traffic> {
    const [traffic] = await this.traffic(`${rate} msg/s`, async () => {
      const published: Published = {};
      const begin = performance.now();
      for (let i = 0; i < rate * seconds; i++) {
        await until(begin + (i * 1000) / rate);
        const channel = hot[i % hot.length] ?? EVERYONE;
        this.publish(channel, tradeBody());
        published[channel] = (published[channel] ?? 0) + 1;
      }
      await until(begin + seconds * 1000);
      return published;
    });
    return traffic;
  }

  /** One message to everyone. */
  async everyone(body: string): Promise<{ traffic: Traffic; lastMs: number }> {
    let sentAt = 0;
    const [traffic, arrived] = await this.traffic("to everyone", async () => {
      sentAt = moment();
      this.publish(EVERYONE, body);
      return { [EVERYONE]: 1 };
    });
    return { traffic, lastMs: (arrived.lastAt - sentAt) / 1000 };
  }
}

/** Several broadcasts as one figure, the latency from the slowest. */
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

async function measureServer(
  subject: Subject,
  server: Server,
  load: LoadClient,
  settings: Settings,
): Promise<Run> {
  const { plan } = settings;
  const seconds = subject.slow ? Math.ceil(settings.seconds / 3) : settings.seconds;
  const loadAverage = loadavg()[0] ?? Number.NaN;
  const measurement = new Measurement(server, load);
  await sleep(EMPTY_SETTLE_MS);
  const rssEmpty = rssBytes(server.pids);
  const cpuEmpty = cpuMicros(server.pids);
  const connected = await load.ask<"connect">({
    kind: "connect",
    target: {
      dialect: subject.dialect,
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
  await sleep(2000); // the last of the connecting
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
  return {
    subject: subject.name,
    loadAverage,
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
    errors: measurement.errors,
  };
}

/** @param nats path of nats-server */
export async function measure(subject: Subject, nats: string, settings: Settings): Promise<Run> {
  const server = await subject.start(nats, settings.plan.connections);
  const load = new LoadClient();
  try {
    return await measureServer(subject, server, load, settings);
  } finally {
    await load.dispose();
    await server.stop();
  }
}
