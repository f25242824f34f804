/** The measurements, each with a running gateway and its viewers. */

import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { stamped, tradeBody } from "../messages.ts";
import type { Crowd } from "./crowd.ts";
import { bytesEach, idleMicros, type Reading, spreadOf } from "./figures.ts";
import type { GatewayFleet } from "./gateway-fleet.ts";
import { readKernelMemory } from "./kernel.ts";
import type { Counts } from "./load-messages.ts";
import type { Comeback, Empty, Fanout, Step } from "./report.ts";
import { MESSAGE_SUBJECT } from "./subjects.ts";

/** Time for memory to be released after connections were opened, ms. */
const SETTLE_MS = 1500;
const POLL_MS = 200;
/** Connections that do not become more for this time will not, ms. */
const STALLED_MS = 45_000;
const PROGRESS_MS = 5000;
const MESSAGE_MS = 1000;
const ARRIVAL_MS = 10_000;

export interface Trial {
  gateway: GatewayFleet;
  crowd: Crowd;
  workers: number;
  /** Length of a measurement without events, s. */
  seconds: number;
  /** Called every few seconds while connections are opened. */
  onProgress: (counts: Counts) => void;
}

export async function reading({ gateway, crowd }: Trial): Promise<Reading> {
  const { subscribed } = await crowd.counts();
  return {
    connections: subscribed,
    gateway: gateway.usage(),
    kernel: readKernelMemory(),
    loadRss: crowd.rssBytes,
  };
}

export async function measureEmpty(trial: Trial): Promise<{ empty: Empty; base: Reading }> {
  await sleep(SETTLE_MS);
  const before = trial.gateway.usage().cpu;
  const begin = performance.now();
  await sleep(SETTLE_MS);
  const base = await reading(trial);
  const { processes, rss, pss, cpu } = base.gateway;
  const cpuPerSecond = (cpu - before) / ((performance.now() - begin) / 1000);
  return { empty: { workers: trial.workers, processes, rss, pss, cpuPerSecond }, base };
}

/** Waits until all viewers are subscribed, or until their number does not grow any more. */
async function allSubscribed(
  { crowd, onProgress }: Trial,
  onCounts: (counts: Counts) => void = () => {},
): Promise<Counts> {
  let last = -1;
  let grewAt = performance.now();
  let reportedAt = grewAt;
  for (;;) {
    const counts = await crowd.counts();
    onCounts(counts);
    const now = performance.now();
    if (now - reportedAt > PROGRESS_MS) {
      reportedAt = now;
      onProgress(counts);
    }
    if (counts.subscribed > last) grewAt = now;
    last = counts.subscribed;
    if (counts.subscribed === crowd.wanted || now - grewAt > STALLED_MS) return counts;
    await sleep(POLL_MS);
  }
}

/** Opens connections up to this number, and measures them idle. */
export async function measureStep(
  trial: Trial,
  connections: number,
  { base, empty }: { base: Reading; empty: Empty },
): Promise<Step> {
  const { crowd, gateway, seconds } = trial;
  const before = crowd.wanted;
  await crowd.begin();
  const begin = performance.now();
  const cpuBefore = gateway.usage().cpu;
  await crowd.grow(connections);
  const counts = await allSubscribed(trial);
  const took = (performance.now() - begin) / 1000;
  const opened = counts.subscribed - before;
  const openMicros = (gateway.usage().cpu - cpuBefore) / Math.max(1, opened);
  await sleep(SETTLE_MS);
  const now = await reading(trial);
  const idleBegin = performance.now();
  await sleep(seconds * 1000);
  const idleSeconds = (performance.now() - idleBegin) / 1000;
  const cpu = gateway.usage().cpu - now.gateway.cpu;
  return {
    connections: counts.subscribed,
    seconds: took,
    opened,
    failures: counts.failures,
    bytes: bytesEach(base, now),
    idleMicros: idleMicros({
      cpuMicros: cpu,
      seconds: idleSeconds,
      connections: counts.subscribed,
      emptyPerSecond: empty.cpuPerSecond,
    }),
    openMicros,
    idleCores: cpu / idleSeconds / 1e6,
  };
}

/** `strike` ends connections; measures how their clients come back. */
export async function measureComeback(
  trial: Trial,
  what: Comeback["what"],
  strike: () => Promise<void>,
): Promise<Comeback> {
  const { crowd, workers } = trial;
  const course: number[] = [];
  await crowd.begin();
  const begin = performance.now();
  await strike();
  // The connections end a moment after the process.
  while ((await crowd.counts()).ended === 0 && performance.now() - begin < ARRIVAL_MS) await sleep(10);
  const counts = await allSubscribed(trial, ({ subscribed }) => {
    if (performance.now() - begin >= course.length * 1000) course.push(subscribed);
  });
  const missing = crowd.wanted - counts.subscribed;
  const { waits } = await crowd.latencies();
  return {
    what,
    connections: crowd.wanted,
    workers,
    lost: counts.ended,
    seconds: missing === 0 ? (performance.now() - begin) / 1000 : undefined,
    missing,
    attempts: counts.attempts,
    failures: counts.failures,
    waits: spreadOf(waits),
    course,
  };
}

/** Publishes a message every second until `stop`. Returns the number of messages. */
function publishing(nats: NatsConnection): { stop: () => number } {
  let messages = 0;
  const timer = setInterval(() => {
    nats.publish(MESSAGE_SUBJECT, stamped(tradeBody()));
    messages++;
  }, MESSAGE_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return messages;
    },
  };
}

/** Publishes messages while nothing else happens, or while connections are opened. */
export async function measureFanout(
  trial: Trial,
  options: {
    nats: NatsConnection;
    audience: number;
    seconds: number;
    open?: { connections: number; rate: number };
  },
): Promise<Fanout> {
  const { crowd, gateway, workers } = trial;
  const { nats, audience, seconds, open } = options;
  await crowd.begin();
  const before = { cpu: gateway.usage().cpu, load: crowd.cpuMicros, at: performance.now() };
  const publisher = publishing(nats);
  let took = 0;
  if (open === undefined) await sleep(seconds * 1000);
  else {
    await crowd.grow(open.connections, open.rate);
    await allSubscribed(trial);
    took = (performance.now() - before.at) / 1000;
  }
  const messages = publisher.stop();
  const due = messages * audience;
  const deadline = performance.now() + (open === undefined ? ARRIVAL_MS : SETTLE_MS);
  let counts = await crowd.counts();
  while (counts.deliveries < due && performance.now() < deadline) {
    await sleep(POLL_MS);
    counts = await crowd.counts();
  }
  const passed = (performance.now() - before.at) * 1000;
  const usage = gateway.usage();
  const { deliveries } = await crowd.latencies();
  const { p50, p99, max, count } = spreadOf(deliveries);
  return {
    opening: open !== undefined,
    connections: counts.subscribed,
    workers,
    audience,
    messages,
    deliveries: counts.deliveries,
    lost: open === undefined ? due - counts.deliveries : 0,
    disorder: counts.disorder,
    latency: { count, p50: p50 / 1000, p99: p99 / 1000, max: max / 1000 },
    gatewayCores: (usage.cpu - before.cpu) / passed,
    loadCores: (crowd.cpuMicros - before.load) / passed,
    gatewayPss: usage.pss,
    ...(open !== undefined && {
      openedPerSecond: counts.subscribed / took,
      failures: counts.failures,
    }),
  };
}
