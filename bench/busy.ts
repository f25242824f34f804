/**
 * Windows in which every client gets many messages, and the bytes of a delivery on the network interface.
 * Each window has clients of its own.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LoadClient } from "./load-client.ts";
import type { Target } from "./load-messages.ts";
import { Measurement, type Traffic } from "./measurement.ts";
import { planForAll } from "./messages.ts";
import type { Server, Subject } from "./subjects.ts";
import { OWN_NETWORK, SERVER_ADDRESS, Wire } from "./wire.ts";

export interface BusyWindow {
  /** Messages a second. */
  rate: number;
  /** Number of clients. Each client gets every message. */
  clients: number;
  /** Messages that are published at the same moment. */
  burst: number;
}

export const BUSY_WINDOWS = {
  busy800: { rate: 800, clients: 200, burst: 1 },
  burst800: { rate: 800, clients: 200, burst: 8 },
  busy100: { rate: 100, clients: 1210, burst: 1 },
} as const satisfies Record<string, BusyWindow>;

/** Traffic whose bytes are counted on the interface: one message at a time, and many. */
export const WIRE_WINDOWS = {
  wire12: { rate: 12, clients: 200, burst: 1 },
  wire800: { rate: 800, clients: 200, burst: 1 },
} as const satisfies Record<string, BusyWindow>;

/** For each delivery: what passed the interface, with the headers of TCP and IP. */
export interface OnWire {
  bytes: number;
  packets: number;
  /** From the clients to the server: mostly acknowledgements. */
  packetsBack: number;
}

export type Busy = Record<keyof typeof BUSY_WINDOWS, Traffic>;
export type Wires = Record<keyof typeof WIRE_WINDOWS, OnWire>;

const WARM_UP_SECONDS = 2;
const IDLE_SECONDS = 3;
const CONNECTED_SETTLE_MS = 1000;
const MAX_WIRE_SECONDS = 5;

interface Options {
  subject: Subject;
  server: Server;
  seconds: number;
  inFlight: number;
  /** Receives what was wrong with the deliveries. */
  errors: string[];
}

const targetOf = ({ subject, server, inFlight }: Options, clients: number, host: string): Target => ({
  dialect: subject.dialect,
  host,
  port: server.port,
  deflate: subject.deflate,
  plan: planForAll(clients),
  inFlight,
});

/** Connects clients and measures one window. `begin` is called before the window. */
async function oneWindow(
  load: LoadClient,
  { rate, clients, burst }: BusyWindow,
  host: string,
  options: Options,
  begin: () => void,
): Promise<Traffic> {
  const { server, seconds, errors } = options;
  const target = targetOf(options, clients, host);
  const { served, refused } = await load.ask<"connect">({ kind: "connect", target });
  if (served < clients) throw new Error(`${served} of ${clients} clients: ${JSON.stringify(refused)}`);
  const measurement = new Measurement(server, load);
  await sleep(CONNECTED_SETTLE_MS);
  await measurement.watchIdle(IDLE_SECONDS);
  await measurement.steady(target.plan, rate, Math.min(WARM_UP_SECONDS, seconds), burst);
  begin();
  const traffic = await measurement.steady(target.plan, rate, seconds, burst);
  errors.push(...measurement.errors.map((error) => `to ${clients} clients, ${error}`));
  return traffic;
}

/** Measures all busy windows of a server that has no other clients. */
export async function measureBusy(options: Options): Promise<Busy> {
  const result: Partial<Busy> = {};
  for (const [name, window] of Object.entries(BUSY_WINDOWS)) {
    const load = new LoadClient();
    try {
      result[name as keyof Busy] = await oneWindow(load, window, "127.0.0.1", options, () => {});
    } finally {
      await load.dispose();
    }
    await sleep(CONNECTED_SETTLE_MS);
  }
  return result as Busy;
}

/** Counts the bytes of deliveries on a network interface. The server must accept clients on all addresses. */
export async function measureWires(options: Options): Promise<Wires> {
  const result: Partial<Wires> = {};
  const seconds = Math.min(options.seconds, MAX_WIRE_SECONDS);
  for (const [name, window] of Object.entries(WIRE_WINDOWS)) {
    const load = new LoadClient(OWN_NETWORK);
    let wire: Wire | undefined;
    try {
      // The process answers only when it runs in its own network.
      await load.ask<"pings">({ kind: "pings" });
      wire = new Wire(load.pid);
      const current = wire;
      let before = current.passed;
      const traffic = await oneWindow(load, window, SERVER_ADDRESS, { ...options, seconds }, () => {
        before = current.passed;
      });
      const after = current.passed;
      const each = (key: keyof typeof after) => (after[key] - before[key]) / Math.max(traffic.deliveries, 1);
      result[name as keyof Wires] = {
        bytes: each("bytesToClients"),
        packets: each("packetsToClients"),
        packetsBack: each("packetsFromClients"),
      };
    } finally {
      await load.dispose();
      wire?.remove();
    }
  }
  return result as Wires;
}
