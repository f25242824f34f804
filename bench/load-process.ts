/**
 * The load process: holds all client connections of a run, counts deliveries and compares them with the
 * published messages.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { DIALECTS } from "./dialects.ts";
import { type Events, LoadConnection } from "./load-connection.ts";
import type { Answer, Arrived, Command, Connected, Published, Target } from "./load-messages.ts";
import { channelsOf } from "./messages.ts";
import { Histogram } from "./stats.ts";

/**
 * With compression, every 50th connection decompresses its messages. Decompressing all messages would need a
 * whole core.
 */
const SAMPLE_EVERY = 50;
const CONNECT_TIMEOUT_MS = 60_000; // 60 s for all connections together
/** Wait after the last delivery, in which a duplicate would arrive. */
const GRACE_MS = 100;
const ERRORS_SHOWN = 5;

const connections = new Set<LoadConnection>();
const errors: string[] = [];
const histogram = new Histogram();
let errorCount = 0;
let deliveries = 0;
let bytes = 0;
let pings = 0;
let pingsBefore = 0;
let lastAt = 0;
/** Number of deliveries that `finish` waits for. */
let wanted = Number.POSITIVE_INFINITY;
let arrived: (() => void) | undefined;

const receivedBefore = new Map<LoadConnection, number>();

function fail(reason: string): void {
  errorCount++;
  if (errors.length < ERRORS_SHOWN) errors.push(reason);
}

const events = {
  counted(_: LoadConnection, size: number, at: number): void {
    bytes += size;
    lastAt = at;
    if (++deliveries === wanted) arrived?.();
  },
  read: (micros: number): void => histogram.record(micros),
  pinged: (): void => void pings++,
};

/** Opens the connections, at most `inFlight` at a time. Refused connections are not retried. */
async function connectAll({ dialect, host, port, deflate, plan, inFlight }: Target): Promise<Connected> {
  const refused: Record<string, number> = {};
  const begin = performance.now();
  let next = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = new Set<LoadConnection>();
  const settled = (connection: LoadConnection): void => {
    waiting.delete(connection);
    if (next < plan.connections) open();
    else if (waiting.size === 0) resolve();
  };
  const own: Events = {
    ...events,
    ready(connection) {
      connections.add(connection);
      settled(connection);
    },
    failed(connection, reason) {
      if (waiting.has(connection)) {
        refused[reason] = (refused[reason] ?? 0) + 1;
        settled(connection);
      } else {
        connections.delete(connection);
        fail(`a connection failed: ${reason}`);
      }
    },
  };
  function open(): void {
    const index = next++;
    const sample = index % SAMPLE_EVERY === 0;
    const channels = channelsOf(index, plan);
    waiting.add(
      new LoadConnection({ dialect: DIALECTS[dialect], host, port, deflate, channels, sample }, own),
    );
  }
  while (next < Math.min(inFlight, plan.connections)) open();
  const timeout = sleep(CONNECT_TIMEOUT_MS, "late" as const, { ref: false });
  if ((await Promise.race([promise, timeout])) === "late") {
    next = plan.connections;
    for (const connection of waiting) connection.failed("no subscription within 60 s");
  }
  return { served: connections.size, refused, seconds: (performance.now() - begin) / 1000 };
}

function begin(): null {
  deliveries = 0;
  bytes = 0;
  pingsBefore = pings;
  errors.length = 0;
  errorCount = 0;
  histogram.clear();
  for (const connection of connections) receivedBefore.set(connection, connection.received);
  return null;
}

const due = (connection: LoadConnection, published: Published): number =>
  connection.channels.reduce((sum, channel) => sum + (published[channel] ?? 0), 0);

async function finish(published: Published, timeoutMs: number): Promise<Arrived> {
  let total = 0;
  for (const connection of connections) total += due(connection, published);
  if (deliveries < total) {
    const { promise, resolve } = Promise.withResolvers<void>();
    [wanted, arrived] = [total, resolve];
    await Promise.race([promise, sleep(timeoutMs, undefined, { ref: false })]);
    wanted = Number.POSITIVE_INFINITY;
  }
  await sleep(GRACE_MS);
  while (connections.values().some(({ pending }) => pending > 0)) await sleep(1);
  if (deliveries !== total) fail(`${deliveries} deliveries arrived, ${total} were due`);
  const wrong = [...connections].filter(
    (connection) =>
      connection.received - (receivedBefore.get(connection) ?? 0) !== due(connection, published),
  );
  if (wrong.length > 0)
    fail(`${wrong.length} connections received more or fewer messages than were published to their channels`);
  if (errorCount > errors.length) errors.push(`… and ${errorCount - errors.length} more`);
  const latency = histogram.summary();
  return {
    deliveries,
    bytes,
    pings: pings - pingsBefore,
    latency,
    lastAt,
    checked: latency.samples,
    errors: [...errors],
  };
}

async function execute(command: Command): Promise<Answer> {
  try {
    switch (command.kind) {
      case "connect":
        return { result: await connectAll(command.target) };
      case "begin":
        return { result: begin() };
      case "finish":
        return { result: await finish(command.published, command.timeoutMs) };
      case "pings":
        return { result: pings };
    }
  } catch (error) {
    return { error: (error as Error).message };
  }
}

process.on("message", async (command: Command) => process.send?.(await execute(command)));
process.on("disconnect", () => process.exit());
