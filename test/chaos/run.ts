/** One run: faults of a schedule, and then the check that everybody has everything. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Owner } from "../harness/owner.ts";
import { pause } from "../harness/wait.ts";
import { checkClients, checkPublisher } from "./checks.ts";
import { MAKE } from "./faults/faults.ts";
import type { Violation } from "./model.ts";
import { describeFault, FAULTS, type Fault } from "./schedule.ts";
import { type Site, type SiteOptions, startSite } from "./site/site.ts";
import { checkGateways, type Size, sizesOf } from "./site/sizes.ts";

export interface Outcome {
  violations: Violation[];
  /** Time of the start of the faults, ms since 1970. */
  startedAt: number;
  stored: number;
  received: number;
  /** Messages that came late to throttled clients, of those received. */
  late: number;
  refetches: number;
  /** How often a client began to receive over HTTP. */
  httpConnections: number;
  /** How often a client learned that it was throttled. */
  throttled: number;
  /** Milliseconds from the end of the last fault until everybody had everything; undefined: never. */
  wholeAfterMs: number | undefined;
  sizes: { before: Size[]; after: Size[] };
}

/** Time after the last fault in which everybody must have everything, ms. */
const WHOLE_MS = 10_000;
/**
 * Longest wait for everybody to have everything, ms. The wait exceeds WHOLE_MS, so that the violations of a
 * failed run name only what never arrives: a client needs 10 s to notice a dead line.
 */
const PATIENCE_MS = 45_000;
const POLL_MS = 50;
/** Time before the first fault, ms: all clients are live. */
const QUIET_MS = 1_000;
/** Time between two checks of all clients while the faults last, ms. A run ends at the first violation. */
const CHECK_MS = 15_000;

/**
 * Runs a site through these faults.
 *
 * @param log gets a line for each fault that begins or fails
 */
export async function run(
  options: SiteOptions,
  faults: readonly Fault[],
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  const disposals: (() => Promise<void> | void)[] = [];
  const owner: Owner = { after: (dispose) => disposals.push(dispose) };
  try {
    const site = await startSite(owner, options);
    owner.after(() => site.end());
    site.startPublishing();
    const areLive = () => site.viewers.every(({ current }) => current?.liveAt !== undefined);
    if (!(await until(areLive, PATIENCE_MS)))
      throw new Error("not all clients became live before the first fault");
    await pause(QUIET_MS);
    const before = await sizesOf(site);
    const startedAt = Date.now();
    const failures = await makeAll(site, faults, startedAt, log, signal);
    signal.throwIfAborted();
    const violations = [...failures];
    let wholeAfterMs: number | undefined;
    // After a violation in the middle of the faults, nobody needs to be complete.
    if (failures.length === 0) {
      let lacking = "";
      const timer = setTimeout(() => {
        lacking = missing(site);
      }, WHOLE_MS);
      wholeAfterMs = await wholeAfter(site, violations);
      clearTimeout(timer);
      if (wholeAfterMs === undefined || wholeAfterMs > WHOLE_MS) {
        const what = `after the last fault, not everybody had everything within ${WHOLE_MS / 1000} s${lacking}`;
        violations.push({ who: "the site", at: Date.now(), what });
      }
      violations.push(...checkClients(site), ...(await checkGateways(site)));
    }
    violations.sort((a, b) => a.at - b.at);
    return {
      violations,
      startedAt,
      wholeAfterMs,
      ...countEntries(site),
      sizes: { before, after: await sizesOf(site) },
    };
  } finally {
    for (const dispose of disposals.reverse()) await dispose();
  }
}

function countEntries(site: Site) {
  const entries = site.viewers.flatMap(({ journals }) => journals.flatMap((one) => one.entries));
  const messages = entries.filter((entry) => entry.kind === "message");
  return {
    stored: site.stored.length,
    received: messages.length,
    late: messages.filter(({ late }) => late).length,
    refetches: entries.filter(({ kind }) => kind === "refetch").length,
    httpConnections: site.viewers.reduce((sum, viewer) => sum + viewer.httpConnections, 0),
    throttled: entries.filter(({ kind }) => kind === "throttled").length,
  };
}

/** Makes all faults, until the first violation. Resolves when they are over. */
async function makeAll(
  site: Site,
  faults: readonly Fault[],
  startedAt: number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Violation[]> {
  const failures: Violation[] = [];
  const ended = new AbortController();
  let checkedAt = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    failures.push(...checkPublisher(site, now));
    if (now > checkedAt + CHECK_MS) {
      checkedAt = now;
      failures.push(...checkClients(site, now));
    }
    if (failures.length > 0) ended.abort();
  }, 1000);
  const either = AbortSignal.any([signal, ended.signal]);
  const running: Promise<void>[] = [];
  /** Those that may still start a process. */
  const starting: Promise<void>[] = [];
  try {
    for (const fault of faults) {
      await sleep(Math.max(0, startedAt + fault.at - Date.now()), undefined, { signal: either }).catch(
        () => {},
      );
      if (either.aborted) return failures;
      log(describeFault(fault));
      const begun = MAKE[fault.name](site, fault);
      const { hits } = FAULTS[fault.name];
      const made = (hits === "nats" || hits === "publisher" ? site.disturbNats(begun) : begun).catch(
        (error: unknown) => {
          failures.push({
            who: "the fault",
            at: Date.now(),
            what: `${describeFault(fault).trim()}: ${error}`,
          });
          ended.abort();
        },
      );
      running.push(made);
      if (hits !== "line") starting.push(made);
    }
    await Promise.race([Promise.all(running), aborted(either)]);
  } finally {
    clearInterval(timer);
    await Promise.all(starting);
  }
  return failures;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Publishes one more message on each channel, and waits until each client has it. Returns how long this took,
 * ms; undefined when it took longer than PATIENCE_MS.
 */
async function wholeAfter(site: Site, violations: Violation[]): Promise<number | undefined> {
  const from = Date.now();
  site.stopPublishing();
  // A client that was cut several times waits for up to 20 s, so that a crowd does not return at once. The
  // browser ends this wait when the network is back.
  for (const viewer of site.viewers) if (viewer.client.status.state === "waiting") viewer.online();
  for (let round = from; Date.now() < from + PATIENCE_MS; round = Date.now()) {
    // An earlier message may have left the stream before everybody got it.
    site.publishOnAll();
    try {
      await site.flush();
    } catch (error) {
      violations.push({ who: "the publisher", at: Date.now(), what: `${error}` });
      return undefined;
    }
    const refetched = () => site.viewers.some(({ current }) => (current?.refetchedAt ?? 0) >= round);
    const isWhole = () => site.viewers.every((viewer) => lacks(site, viewer, round).length === 0);
    await until(() => isWhole() || refetched(), from + PATIENCE_MS - Date.now());
    if (isWhole() && !refetched()) return Date.now() - from;
    // A client that has just learned of a loss needs none of the messages before.
  }
  return undefined;
}

/** Channels of which a client does not have the last message. `from`: time of the last messages, ms. */
function lacks(site: Site, { client, current }: Site["viewers"][number], from = Infinity): string[] {
  if (client.status.state !== "open") return [`a connection (${JSON.stringify(client.status)})`];
  if (current?.liveAt === undefined) return ["live channels"];
  // A listener that joined after the last message of a channel gets none.
  if (current.liveAt >= from) return [];
  const last = site.lastOf(current.channels);
  return last
    .filter(({ channel, n }) => (current.newest.get(channel) ?? -1) < n)
    .map(({ channel }) => channel);
}

/** For people: what the first clients lack now. */
function missing(site: Site): string {
  const lines = site.viewers.flatMap((viewer, index) => {
    const all = lacks(site, viewer);
    return all.length > 0 ? [`client ${index} lacks ${all}`] : [];
  });
  return lines.length > 0 ? `: ${lines.slice(0, 3).join("; ")}` : "";
}

async function until(holds: () => boolean, limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (!holds()) {
    if (Date.now() > end) return false;
    await pause(POLL_MS);
  }
  return true;
}
