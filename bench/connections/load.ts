/** A load process: holds viewers, lets them connect again, and counts what they receive. */

import { clientFrame, OPCODE } from "@odin-ws/loadtest/frame-reader";
import type { Answer, Answers, Command, Counts, Latencies, Opening, Target } from "./load-messages.ts";
import { isInAudience, MESSAGE_CHANNEL, QUIET_CHANNELS } from "./subjects.ts";
import { Viewer, type Watcher } from "./viewer.ts";
import { patienceMs, waitMs } from "./waits.ts";

/** How often attempts that take too long are given up. */
const CHECK_MS = 250;
/** Attempts at a fixed rate start in steps of this length. */
const STEP_MS = 10;

let target: Target = { port: 0, localAddresses: ["127.0.0.1"], viewers: 0, audience: 0 };
let counts: Counts = noCounts(0, 0);
let latencies: Latencies = { deliveries: [], waits: [] };
let opening: Opening = { first: 0, count: 0, rate: 0, inFlight: 1 };
/** New viewers of the current opening that have started their first attempt. */
let started = 0;
/** Viewers with an open attempt. */
const trying = new Set<Viewer>();
let pacing: NodeJS.Timeout | undefined;

const subscription = (channels: readonly string[]) =>
  clientFrame(OPCODE.text, Buffer.from(JSON.stringify({ type: "subscribe", channels })));
const audience = subscription([MESSAGE_CHANNEL, ...QUIET_CHANNELS.slice(1)]);
const others = subscription(QUIET_CHANNELS);

function noCounts(subscribed: number, connecting: number): Counts {
  return {
    subscribed,
    connecting,
    attempts: 0,
    ended: 0,
    failures: {},
    deliveries: 0,
    disorder: 0,
    pings: 0,
  };
}

const watcher: Watcher = {
  subscribed(viewer) {
    trying.delete(viewer);
    counts.connecting--;
    counts.subscribed++;
    latencies.waits.push(Math.round(performance.now() - viewer.wantedAt));
    fill();
  },
  lost(viewer, reason, retryAfter) {
    if (viewer.state === "subscribed") {
      counts.subscribed--;
      counts.connecting++;
      counts.ended++;
      viewer.wantedAt = performance.now();
    } else {
      trying.delete(viewer);
      viewer.failures++;
      counts.failures[reason] = (counts.failures[reason] ?? 0) + 1;
    }
    viewer.state = "away";
    setTimeout(attempt, waitMs(viewer.failures, retryAfter, Math.random()), viewer);
    fill();
  },
  delivered(micros, inOrder) {
    counts.deliveries++;
    if (!inOrder) counts.disorder++;
    latencies.deliveries.push(micros);
  },
  pinged: () => void counts.pings++,
};

function attempt(viewer: Viewer): void {
  const { port, localAddresses } = target;
  const localAddress = localAddresses[counts.attempts++ % localAddresses.length] as string;
  trying.add(viewer);
  viewer.connect({ port, localAddress });
}

function startNext(): void {
  const number = opening.first + started++;
  const inAudience = isInAudience(number, target);
  const viewer = new Viewer(inAudience ? audience : others, watcher);
  viewer.wantedAt = performance.now();
  counts.connecting++;
  attempt(viewer);
}

/** Starts the next attempts of an opening that has no fixed rate. */
function fill(): void {
  if (opening.rate > 0) return;
  while (started < opening.count && trying.size < opening.inFlight) startNext();
}

function open(given: Opening): void {
  clearInterval(pacing);
  opening = given;
  started = 0;
  if (given.rate === 0) return fill();
  const begin = performance.now();
  pacing = setInterval(() => {
    const due = Math.min(given.count, Math.floor(((performance.now() - begin) / 1000) * given.rate));
    while (started < due) startNext();
    if (started === given.count) clearInterval(pacing);
  }, STEP_MS);
}

setInterval(() => {
  const now = performance.now();
  for (const viewer of trying)
    if (now - viewer.startedAt > patienceMs(viewer.failures)) viewer.abandon("timeout");
}, CHECK_MS);

function execute(command: Command): Answers[Command["kind"]] {
  switch (command.kind) {
    case "target":
      target = command.target;
      return null;
    case "open":
      open(command.opening);
      return null;
    case "begin":
      counts = noCounts(counts.subscribed, counts.connecting);
      latencies = { deliveries: [], waits: [] };
      return null;
    case "counts":
      // Viewers that have not started yet are still to connect.
      return { ...counts, connecting: counts.connecting + opening.count - started };
    case "latencies":
      return latencies;
  }
}

process.on("message", ({ id, command }: { id: number; command: Command }) => {
  const answer: Answer = { id, result: execute(command) };
  process.send?.(answer);
});
process.on("disconnect", () => process.exit());
