/**
 * What clients over HTTP cost the gateway: the same number of clients with the same channels and messages,
 * over WebSocket, by server-sent events, and by polls.
 */

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { subjectOf } from "@odin-ws/protocol";
import { channelsOf, planFor, stamped, tradeBody } from "../messages.ts";
import { cpuMicros, runModule, stop } from "../process.ts";
import { gateway, type Server } from "../subjects.ts";
import { type Clients, type Counts, type HttpCommand, WAYS, type Way } from "./http-clients.ts";

export interface HttpFigures {
  way: Way;
  clients: number;
  seconds: number;
  /** CPU of the gateway for each client and second, µs, without the CPU that it needs without clients. */
  cpuMicros: number;
  /** Bytes to each client in a second, with the headers of HTTP and WebSocket. */
  bytes: number;
  /** Messages that each client received in a second. */
  messages: number;
  /** Polls a second of all clients, and the share of them that was answered with 304. */
  polls: number;
  notModified: number;
  errors: string[];
}

export interface HttpOptions {
  /** Path of the program nats-server. */
  nats: string;
  connections: number;
  seconds: number;
}

/** The default of the client library. */
const POLL_MS = 2000;
/** Messages a second to all channels. */
const RATE = 12;
const WARM_UP_SECONDS = 4;
/** The last polls bring the last messages. */
const REST_MS = POLL_MS * 1.2 + 1000;
const CONNECT_PATIENCE_MS = 30_000;
const SECRET = "a secret of the bench, which is not used elsewhere";

/** A token of a user, because users share neither seats nor budgets. */
function tokenOf(index: number): string {
  const claims = { sub: `user-${index}`, exp: Math.floor(Date.now() / 1000) + 3600 };
  const text = [{ alg: "HS256" }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}

/** Publishes at an even rate, in turn to the channels. Returns how often each channel was published to. */
async function publish(server: Server, channels: readonly string[], seconds: number): Promise<number[]> {
  const published = channels.map(() => 0);
  const begin = performance.now();
  for (let i = 0; i < RATE * seconds; i++) {
    await sleep(Math.max(0, begin + (i * 1000) / RATE - performance.now()));
    const at = i % channels.length;
    server.publisher.publish(subjectOf(channels[at] as string), stamped(tradeBody()));
    published[at] = (published[at] ?? 0) + 1;
  }
  await sleep(Math.max(0, begin + seconds * 1000 - performance.now()));
  return published;
}

async function measureWay(
  way: Way,
  server: Server,
  base: number,
  { connections, seconds }: HttpOptions,
): Promise<HttpFigures> {
  const plan = planFor(connections);
  const own = (index: number) => (way === "mixed" ? [`OWN${index}.trade`] : []);
  const clients: Clients["clients"] = Array.from({ length: connections }, (_, index) => ({
    token: tokenOf(index),
    channels: [...channelsOf(index, plan), ...own(index)],
  }));
  const load = runModule(new URL("./http-clients.ts", import.meta.url));
  const ask = async (command: HttpCommand): Promise<Counts> => {
    load.send(command);
    return (await once(load, "message"))[0] as Counts;
  };
  try {
    await ask({ kind: "connect", clients: { way, port: server.port, pollMs: POLL_MS, clients } });
    const giveUpAt = performance.now() + CONNECT_PATIENCE_MS;
    for (let now = await ask({ kind: "count" }); now.connected < connections; ) {
      if (performance.now() > giveUpAt)
        throw new Error(`${way}: ${now.connected} of ${connections} clients: ${now.errors.join("; ")}`);
      await sleep(100);
      now = await ask({ kind: "count" });
    }
    const before = await ask({ kind: "count" });
    const warm = await publish(server, plan.hot, WARM_UP_SECONDS);
    const from = await ask({ kind: "count" });
    const cpu = cpuMicros(server.pids);
    const begin = performance.now();
    const published = await publish(server, plan.hot, seconds);
    const used = cpuMicros(server.pids) - cpu;
    const measured = (performance.now() - begin) / 1000;
    const to = await ask({ kind: "count" });
    await sleep(REST_MS);
    const end = await ask({ kind: "count" });
    const due = clients.reduce(
      (sum, { channels }) =>
        sum +
        plan.hot.reduce(
          (own, name, at) => own + (channels.includes(name) ? (published[at] ?? 0) + (warm[at] ?? 0) : 0),
          0,
        ),
      0,
    );
    const got = end.messages - before.messages;
    const errors = [...end.errors];
    if (got !== due) errors.push(`${got} messages arrived, ${due} were due`);
    const polls = to.polls + to.notModified - from.polls - from.notModified;
    const each = connections * measured;
    return {
      way,
      clients: connections,
      seconds: measured,
      cpuMicros: (used - base * measured) / each,
      bytes: (to.bytes - from.bytes) / each,
      messages: (to.messages - from.messages) / each,
      polls: polls / measured,
      notModified: polls === 0 ? 0 : (to.notModified - from.notModified) / polls,
      errors: errors.map((error) => `${way}: ${error}`),
    };
  } finally {
    await stop(load);
  }
}

/** Measures all ways, one after the other, at the same gateway. */
export async function measureHttp(options: HttpOptions): Promise<HttpFigures[]> {
  const { nats, connections, seconds } = options;
  const env = { AUTH_MODE: "jwt", JWT_SECRET: SECRET };
  const server = await gateway(1, env)({ nats, connections, host: "127.0.0.1" });
  try {
    const { hot } = planFor(connections);
    await publish(server, hot, WARM_UP_SECONDS);
    const cpu = cpuMicros(server.pids);
    const baseSeconds = Math.min(seconds, 10);
    await publish(server, hot, baseSeconds);
    /** CPU of the gateway without clients, µs in a second. */
    const base = (cpuMicros(server.pids) - cpu) / baseSeconds;
    const figures: HttpFigures[] = [];
    for (const way of WAYS) figures.push(await measureWay(way, server, base, options));
    return figures;
  } finally {
    await server.stop();
  }
}
