/** One run: faults of a schedule, and then the check that everybody has everything. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Owner } from "../harness/owner.ts";
import { pause } from "../harness/wait.ts";
import { MAKE } from "./faults.ts";
import { Model, type Violation } from "./model.ts";
import { describeFault, type Fault } from "./schedule.ts";
import { type Site, type SiteOptions, startSite } from "./site.ts";

export interface Outcome {
  violations: Violation[];
  /** Time of the start of the faults, ms since 1970. */
  startedAt: number;
  stored: number;
  received: number;
  refetches: number;
  /** Milliseconds from the end of the last fault until everybody had everything; undefined: never. */
  wholeAfterMs: number | undefined;
}

/** Time after the last fault in which everybody must have everything, ms. */
const WHOLE_MS = 10_000;
/**
 * Longest wait for everybody to have everything, ms. The wait exceeds WHOLE_MS, so that the violations of a
 * failed run name only what never arrives: a client needs 20 s to notice a dead line.
 */
const PATIENCE_MS = 45_000;
const POLL_MS = 50;
/** Time before the first fault, ms: all clients are live. */
const QUIET_MS = 1_000;
/** A gateway of a run has at most this many bytes of memory. */
const MAX_RSS_BYTES = 500 * 1024 * 1024;

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
    site.startPublishing();
    await until(() => site.viewers.every(({ current }) => current?.liveAt !== undefined), PATIENCE_MS);
    await pause(QUIET_MS);
    const startedAt = Date.now();
    const failures = await makeAll(site, faults, startedAt, log, signal);
    signal.throwIfAborted();
    const wholeAfterMs = await wholeAfter(site);
    const violations = [...failures, ...check(site)];
    if (wholeAfterMs === undefined || wholeAfterMs > WHOLE_MS) {
      const what = `after the last fault, not everybody had everything within ${WHOLE_MS / 1000} s`;
      violations.push({ who: "the site", at: Date.now(), what });
    }
    const entries = site.viewers.flatMap(({ journals }) => journals.flatMap((one) => one.entries));
    const received = entries.filter(({ kind }) => kind === "message").length;
    const refetches = entries.length - received;
    return { violations, startedAt, stored: site.stored.length, received, refetches, wholeAfterMs };
  } finally {
    for (const dispose of disposals.reverse()) await dispose();
  }
}

async function makeAll(
  site: Site,
  faults: readonly Fault[],
  startedAt: number,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<Violation[]> {
  const failures: Violation[] = [];
  const running: Promise<void>[] = [];
  for (const fault of faults) {
    await sleep(Math.max(0, startedAt + fault.at - Date.now()), undefined, { signal }).catch(() => {});
    if (signal.aborted) return failures;
    log(describeFault(fault));
    const made = MAKE[fault.name](site, fault).catch((error: unknown) => {
      failures.push({ who: "the fault", at: Date.now(), what: `${describeFault(fault).trim()}: ${error}` });
    });
    running.push(made);
  }
  await Promise.all(running);
  return failures;
}

/**
 * Stops publishing, and waits until each client has the last message of its channels. Returns how long this
 * took, ms; undefined when it took longer than PATIENCE_MS.
 */
async function wholeAfter(site: Site): Promise<number | undefined> {
  const from = Date.now();
  site.stopPublishing();
  await site.publisher.flush();
  const last = new Map<string, number>();
  for (const { n, channel } of site.stored) last.set(channel, Math.max(n, last.get(channel) ?? 0));
  const isWhole = () =>
    site.viewers.every(({ client, current }) => {
      if (client.status.state !== "open" || current?.liveAt === undefined) return false;
      const newest = new Map<string, number>();
      for (const entry of current.entries) {
        if (entry.kind === "message")
          newest.set(entry.channel, Math.max(entry.n, newest.get(entry.channel) ?? 0));
      }
      // A listener that joined after the last message of a channel gets none.
      return current.channels.every(
        (channel) => (newest.get(channel) ?? 0) >= (last.get(channel) ?? 0) || (current.liveAt ?? 0) >= from,
      );
    });
  return (await until(isWhole, PATIENCE_MS)) ? Date.now() - from : undefined;
}

function check(site: Site): Violation[] {
  const model = new Model(site.stored, site.losses);
  const journals = site.viewers.flatMap(({ journals }) => journals);
  const found = journals.flatMap((journal) => model.check(journal));
  for (const { errors } of site.viewers) {
    for (const what of errors) found.push({ who: "a client", at: 0, what });
  }
  for (const [index, gateway] of site.gateways.entries()) {
    const who = `gateway ${index}`;
    if (gateway === undefined || gateway.process.exit !== undefined) {
      found.push({ who, at: Date.now(), what: `is not running:\n${gateway?.process.tail() ?? ""}` });
    } else if (gateway.process.rssBytes() > MAX_RSS_BYTES) {
      found.push({ who, at: Date.now(), what: `has ${gateway.process.rssBytes()} bytes of memory` });
    }
  }
  return found.sort((a, b) => a.at - b.at);
}

async function until(holds: () => boolean, limitMs: number): Promise<boolean> {
  const end = Date.now() + limitMs;
  while (!holds()) {
    if (Date.now() > end) return false;
    await pause(POLL_MS);
  }
  return true;
}
