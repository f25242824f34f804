/** One run from the first connection to the result. */

import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { addBalances } from "./balance.ts";
import { type Evidence, judge } from "./checks.ts";
import { compareCounts } from "./compare-counts.ts";
import type { Balance, Finished } from "./control.ts";
import { Crew } from "./crew.ts";
import type { Feed } from "./feed.ts";
import { GatewayWatch } from "./gateway-watch.ts";
import { type Clocks, describeLatency, shiftMicros } from "./latency-basis.ts";
import type { Ledger } from "./ledger.ts";
import type { Options } from "./options.ts";
import type { Plan } from "./plan.ts";
import type { Prepared } from "./prepare.ts";
import { machine, type Result } from "./result.ts";
import type { Point } from "./timeline.ts";
import { Totals } from "./totals.ts";

/** Told once a second. */
export interface Watcher {
  phase(name: string, seconds: number): void;
  tick(point: Point, state: { secondsOfPhase: number; wanted: number; faults: number }): void;
}

const TICK = 1000; // ms
/** A message is looked for with all its subscribers so long after the first one had it; later it still counts, as late. */
const AUDIT_AFTER = 3000; // ms
/** Without a new connection for so long, no more are to come. */
const STALLED = 45_000; // ms: beyond the longest wait of a client that was refused
const FINISH_MS = 15_000; // 15 s for the last deliveries
const SAMPLES_TO_SETTLE = 2;
const READ_AGAIN = 0.2; // of the traffic's time: slow clients begin to read again one after the other

const faultsOf = (totals: Totals): number =>
  Object.values(totals.faults).reduce<number>((sum, count) => sum + count, 0);

export class Run {
  readonly #options: Options;
  readonly #plan: Plan;
  readonly #slow: number;
  readonly #rates: readonly number[];
  readonly #crew: Crew;
  readonly #watch: GatewayWatch;
  readonly #ledger: Ledger;
  readonly #totals: Totals;
  readonly #feed: Feed;
  readonly #watcher: Watcher;
  readonly #stop: AbortSignal;
  readonly #startedAt = new Date();
  readonly #marks: Result["marks"] = [];
  #phaseBegin = performance.now();
  #mostOpen = 0;
  #finishing = false;
  #secondsToConnect = 0;

  /**
   * @param entry the file that runs a worker when `ODIN_LOADTEST_WORKER` is set
   * @param stop Ctrl-C: ends the load and reports
   */
  constructor(options: Options, prepared: Prepared, entry: string, watcher: Watcher, stop: AbortSignal) {
    this.#options = options;
    this.#watcher = watcher;
    this.#stop = stop;
    this.#plan = prepared.plan;
    this.#slow = prepared.slow;
    this.#rates = prepared.rates;
    this.#ledger = prepared.ledger;
    this.#feed = prepared.feed;
    this.#watch = new GatewayWatch(options.metrics);
    this.#totals = new Totals((clock) => shiftMicros(this.#clocks, clock));
    this.#crew = new Crew(entry, options.workers, (sample, worker) => {
      this.#ledger.saw(sample.entries, sample.epoch, performance.now());
      this.#totals.add(sample, worker);
    });
  }

  get #clocks(): Clocks {
    return { feed: this.#feed.kind, sameMachine: this.#options.sameMachine };
  }

  #phase(name: string, seconds: number): void {
    this.#phaseBegin = performance.now();
    this.#watcher.phase(name, seconds);
  }

  #tick(): void {
    const point = this.#totals.tick(this.#watch.now);
    this.#mostOpen = Math.max(this.#mostOpen, point.open);
    this.#watcher.tick(point, {
      secondsOfPhase: (performance.now() - this.#phaseBegin) / 1000,
      wanted: this.#options.connections,
      faults: faultsOf(this.#totals),
    });
    // The last audit is made of what all clients have for certain, not of time.
    if (this.#finishing) return;
    const now = performance.now();
    const audit = this.#ledger.take(now - AUDIT_AFTER, now);
    if (audit !== undefined) void this.#crew.ask<"audit">({ kind: "audit", ...audit }).catch(() => {});
  }

  /** Sleeps; returns early when the run is to end. */
  async #wait(ms: number): Promise<void> {
    const pause = sleep(Math.max(ms, 0), undefined, { signal: this.#stop }).catch(() => {});
    await Promise.race([pause, this.#crew.broken]);
  }

  async #connect(): Promise<void> {
    const { connections, connectRate, rates, scenario, workers } = this.#options;
    const perSecond = scenario === "connection-rate" ? (rates[0] ?? connectRate) : connectRate;
    this.#phase("connecting", connections / perSecond);
    await this.#crew.ask<"connect">({ kind: "connect", perSecond: perSecond / workers });
    const begin = performance.now();
    let best = 0;
    let bestAt = begin;
    while (!this.#stop.aborted && this.#totals.open < connections) {
      await this.#wait(100);
      const now = performance.now();
      if (this.#totals.open > best) [best, bestAt] = [this.#totals.open, now];
      else if (now - bestAt > STALLED && now - begin > (connections / perSecond) * 1000 + STALLED) break;
    }
    this.#secondsToConnect = (performance.now() - begin) / 1000;
  }

  async #traffic(): Promise<void> {
    const { scenario, seconds } = this.#options;
    const stages = scenario === "connection-rate" ? [0] : this.#feed.controlled ? this.#rates : [0];
    for (const rate of stages) {
      if (this.#stop.aborted) return;
      const name =
        rate === 0 ? (scenario === "connection-rate" ? "holding" : "as published") : `${rate} msg/s`;
      if (rate > 0) await this.#feed.setRate(rate, seconds);
      this.#totals.beginStage(name);
      this.#phase(name, seconds);
      await this.#during(seconds * 1000);
      this.#totals.endStage();
    }
  }

  /** What a scenario does beside carrying messages. */
  async #during(ms: number): Promise<void> {
    const { scenario, rounds } = this.#options;
    const begin = performance.now();
    const until = (share: number) => this.#wait(begin + ms * share - performance.now());
    if (scenario === "reconnect") {
      for (let round = 1; round <= rounds && !this.#stop.aborted; round++) {
        await until((round - 0.75) / rounds);
        if (!this.#stop.aborted) await this.#break(round);
      }
    } else if (scenario === "slow-clients") {
      await until(0.1);
      this.#mark(`${this.#slow} clients stop reading`);
      await this.#crew.ask<"read">({ kind: "read", slowClientsRead: false, overMs: 0 });
      await until(0.6);
      this.#mark("they read again");
      await this.#crew.ask<"read">({ kind: "read", slowClientsRead: true, overMs: ms * READ_AGAIN });
    }
    await until(1);
  }

  #mark(name: string): void {
    this.#marks.push({ at: this.#totals.timeline.seconds, name });
  }

  async #break(round: number): Promise<void> {
    this.#mark(`break ${round}`);
    const { kill } = this.#options;
    if (kill === undefined) {
      await this.#crew.ask<"cut">({ kind: "cut" });
      return;
    }
    const child = spawn(kill, { shell: true, stdio: ["ignore", "ignore", "inherit"] });
    const code = await new Promise((resolve) => child.once("close", resolve).once("error", resolve));
    if (code !== 0) throw new Error(`--kill: ${JSON.stringify(kill)} ended with ${code}`);
  }

  /** Waits until every client has what was sent to it, and counts. */
  async #finish(): Promise<{ finished: Finished[]; balance: Balance }> {
    this.#finishing = true;
    this.#phase("finishing", FINISH_MS / 1000);
    await this.#crew.ask<"read">({ kind: "read", slowClientsRead: true, overMs: 0 });
    if (this.#feed.kind === "own") await this.#feed.stop();
    const back = performance.now() + FINISH_MS;
    while (this.#totals.open < this.#mostOpen && performance.now() < back && !this.#stop.aborted)
      await this.#wait(200);
    const finished = await this.#crew.ask<"finish">({ kind: "finish", timeoutMs: FINISH_MS });
    // The last sample of each worker brings what its clients have seen.
    await this.#rounds(SAMPLES_TO_SETTLE);
    const position = Math.min(...finished.map((one) => one.position));
    if (Number.isFinite(position)) {
      const audit = this.#ledger.takeUpTo(position, performance.now());
      await this.#crew.ask<"audit">({ kind: "audit", ...audit });
    }
    const parts = await this.#crew.ask<"balance">({ kind: "balance" });
    const balance = addBalances(parts);
    return { finished, balance };
  }

  /** Waits for so many more samples of each worker. */
  async #rounds(count: number): Promise<void> {
    const wanted = this.#totals.rounds(this.#options.workers) + count;
    while (this.#totals.rounds(this.#options.workers) < wanted)
      await Promise.race([sleep(50), this.#crew.broken]);
  }

  /** Runs to the end, or to Ctrl-C. */
  async go(): Promise<Result> {
    const ticker = setInterval(() => this.#tick(), TICK);
    try {
      const before = await this.#watch.quiet();
      this.#watch.start();
      const { urls, sources, compression, jwtSecret, atOnce, scenario } = this.#options;
      const breaksWanted = scenario === "reconnect";
      const plan = this.#plan;
      await this.#crew.assign({
        ...{ plan, urls, sources, compression, jwtSecret, atOnce, breaksWanted },
        slow: this.#slow,
      });
      await this.#connect();
      // With nobody there, traffic would tell nothing.
      if (!this.#stop.aborted && this.#mostOpen + this.#totals.open > 0) await this.#traffic();
      this.#totals.endStage();
      const { finished, balance } = await this.#finish();
      const others = {
        watch: this.#watch,
        totals: this.#totals,
        settle: () => this.#rounds(SAMPLES_TO_SETTLE),
      };
      const [after, counts] = await compareCounts(this.#options, before, others);
      return this.#result(finished, balance, { before, after, trouble: this.#watch.trouble }, counts);
    } finally {
      clearInterval(ticker);
      this.#watch.stop();
      await this.#feed.stop().catch(() => {});
      await this.#crew.close();
    }
  }

  kill(): void {
    this.#crew.kill();
  }

  #result(
    finished: Finished[],
    balance: Balance,
    gateway: Result["gateway"],
    counts: Evidence["counts"],
  ): Result {
    const totals = this.#totals;
    const { connections, urls, rates, connectRate, seconds, workers, compression, maxP99Ms, minSuccess } =
      this.#options;
    const result: Omit<Result, "checks" | "outcome"> = {
      scenario: this.#options.scenario,
      startedAt: this.#startedAt.toISOString(),
      seconds: Math.round(totals.timeline.seconds),
      command: { connections, urls, rates, connectRate, seconds, workers, compression, maxP99Ms, minSuccess },
      machine: machine(),
      feed: this.#feed.description,
      latencyBasis: describeLatency(this.#clocks, totals.clock),
      open: finished.reduce((sum, { open }) => sum + open, 0),
      mostOpen: this.#mostOpen,
      secondsToConnect: Math.round(this.#secondsToConnect * 10) / 10,
      ...totals.counts,
      messages: this.#ledger.count,
      published: this.#ledger.published,
      balance,
      latency: totals.latency.quantiles,
      latencyCurve: totals.latency.curve(),
      connect: totals.connect.quantiles,
      resume: totals.resume.quantiles,
      roundTrip: totals.roundTrip.quantiles,
      stages: totals.stages,
      marks: this.#marks,
      faults: totals.faults,
      refused: totals.refused,
      ended: totals.ended,
      examples: [...totals.examples, ...this.#ledger.conflicts.slice(0, 5), ...balance.examples],
      gateway,
      timeline: totals.timeline.points,
    };
    const checks = judge({
      ...{ options: this.#options, result, balance, counts },
      ledgerConflicts: this.#ledger.conflicts,
      unsettled: finished.reduce((sum, { unsettled }) => sum + unsettled, 0),
      feedFailures: this.#feed.failures,
    });
    const failed = checks.some(({ outcome }) => outcome === "failed");
    return { ...result, checks, outcome: this.#stop.aborted ? "stopped" : failed ? "failed" : "passed" };
  }
}
