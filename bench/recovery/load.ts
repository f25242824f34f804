/** A load process: holds clients, cuts their lines, and counts what they received. */

import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "@nats-io/transport-node";
import { CLIENTS, type ClientEvents } from "./clients.ts";
import { Line, Route } from "./line.ts";
import type { Answer, Command, Counts, Jitter, Opening } from "./load-messages.ts";
import { channelOf, numberOf } from "./subject.ts";
import { Witness } from "./witness.ts";

const POLL_MS = 100;
const MS = 1000;

interface Viewer {
  line: Line;
  witness: Witness;
  connectedAt: number | undefined;
  overHttp: boolean;
}

const route = new Route();
const heads: number[] = [];
const viewers: Viewer[] = [];
let watchesEnds = false;
let heartbeats = 0;
let connectedMs = 0;
const backPerSecond: Record<number, number> = {};

/** Follows what is published, to know what each client must have by now. */
async function followHeads(url: string): Promise<void> {
  const connection = await connect({ servers: url });
  connection.subscribe("odin.token.>", {
    callback: (error, message) => {
      if (error !== null) throw error;
      heads[numberOf(message.subject)] = message.json<{ n: number }>().n;
    },
  });
  await connection.flush();
}

async function open({ client, first, count, channels, nats, inFlight, timeoutMs, fallback }: Opening) {
  await followHeads(nats);
  const make = CLIENTS[client];
  const deadline = performance.now() + timeoutMs;
  let opened = 0;
  let next = first;
  const { promise, resolve } = Promise.withResolvers<void>();
  const openNext = () => {
    if (next === first + count) return;
    const viewer = createViewer(next++, channels, () => {
      if (++opened === count) resolve();
      openNext();
    });
    const events: ClientEvents = {
      subscribed() {
        const now = performance.now();
        viewer.connectedAt ??= now;
        viewer.witness.subscribed(now);
      },
      ended() {
        const now = performance.now();
        if (viewer.connectedAt !== undefined) {
          connectedMs += now - viewer.connectedAt;
          if (watchesEnds) viewer.witness.outage(now);
        }
        viewer.connectedAt = undefined;
        viewer.witness.ended();
      },
      message: (n) => viewer.witness.message(n, performance.now()),
      heartbeat: () => void heartbeats++,
      fellBack() {
        viewer.overHttp = true;
      },
    };
    make(viewer.line, channelOf(viewer.witness.channel), events, { fallback });
  };
  for (let n = 0; n < inFlight; n++) openNext();
  await Promise.race([promise, sleep(deadline - performance.now())]);
  return { open: opened };
}

/** `isOpen`: called when the client is subscribed for the first time. */
function createViewer(index: number, channels: number, isOpen: () => void): Viewer {
  let first = true;
  const whole = () => {
    if (first) isOpen();
    first = false;
    const second = Math.floor(Date.now() / MS);
    backPerSecond[second] = (backPerSecond[second] ?? 0) + 1;
  };
  const line = new Line(index, route);
  const witness = new Witness(index % channels, heads, whole);
  const viewer = { line, witness, connectedAt: undefined, overHttp: false };
  viewers.push(viewer);
  return viewer;
}

/** Cuts each client once in each period, at the same moment of each period. */
async function jitter({ everyMs, awayMs, forMs }: Jitter): Promise<void> {
  const start = performance.now();
  // The order of the viewers is the order of their connections, and their channels alternate.
  const cuts = viewers.map((viewer, index) => ({ viewer, at: (everyMs * index) / viewers.length }));
  const periods = Math.floor(forMs / everyMs);
  for (let period = 0; period < periods; period++) {
    for (const { viewer, at } of cuts) {
      const wait = start + period * everyMs + at - performance.now();
      if (wait > 1) await sleep(wait);
      viewer.line.cut();
      setTimeout(() => {
        viewer.witness.outage(performance.now());
        viewer.line.back();
      }, awayMs);
    }
  }
  await sleep(awayMs + 1);
}

function strike(port: number): { struck: number } {
  const now = performance.now();
  const struck = viewers.filter(({ line }) => line.port === port);
  for (const { witness } of struck) witness.outage(now);
  return { struck: struck.length };
}

async function settle(timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline && viewers.some(({ witness }) => witness.isAway)) await sleep(POLL_MS);
}

function finish(published: readonly number[]): Counts {
  const now = performance.now();
  for (const { connectedAt } of viewers) connectedMs += connectedAt === undefined ? 0 : now - connectedAt;
  const counts: Counts = {
    clients: viewers.length,
    due: 0,
    inOrder: 0,
    wrong: 0,
    lossy: 0,
    outagesMs: [],
    overtaken: 0,
    neverBack: 0,
    overHttp: viewers.filter(({ overHttp }) => overHttp).length,
    backPerSecond,
    heartbeats,
    connectedSeconds: connectedMs / MS,
  };
  for (const { witness } of viewers) {
    const due = published[witness.channel] ?? 0;
    counts.due += due;
    counts.inOrder += witness.inOrder;
    counts.wrong += witness.wrong;
    if (witness.inOrder < due) counts.lossy++;
    if (witness.isAway) counts.neverBack++;
    counts.overtaken += witness.overtaken;
    for (const outage of witness.outagesMs) counts.outagesMs.push(outage);
  }
  return counts;
}

async function execute(command: Command): Promise<unknown> {
  switch (command.kind) {
    case "open":
      return open(command.ask);
    case "route":
      route.ports = command.ask.ports;
      return null;
    case "watchEnds":
      watchesEnds = true;
      return null;
    case "strike":
      return strike(command.ask.port);
    case "jitter":
      await jitter(command.ask);
      return null;
    case "settle":
      await settle(command.ask.timeoutMs);
      return null;
    case "finish":
      return finish(command.ask.published);
  }
}

process.on("message", async ({ id, command }: { id: number; command: Command }) => {
  const answer: Answer = await execute(command).then(
    (result) => ({ result }),
    (error: Error) => ({ error: error.message }),
  );
  process.send?.({ id, answer });
});
process.on("disconnect", () => process.exit());
