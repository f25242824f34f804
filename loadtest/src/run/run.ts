/** One run from the first connection to the result. */

import { setTimeout as sleep } from "node:timers/promises";
import { addBalances } from "../client/balance.ts";
import type { Balance, Finished } from "../control.ts";
import type { Options } from "../settings/options.ts";
import type { Feed } from "../traffic/feed.ts";
import type { Plan } from "../traffic/plan.ts";
import { buildResult } from "../verdict/build-result.ts";
import { compareCounts } from "../verdict/compare-counts.ts";
import { GatewayWatch } from "../verdict/gateway-watch.ts";
import { type Clocks, shiftMicros } from "../verdict/latency-basis.ts";
import type { Ledger } from "../verdict/ledger.ts";
import type { Result } from "../verdict/result.ts";
import type { Point } from "../verdict/timeline.ts";
import { Totals } from "../verdict/totals.ts";
import type { OnSample, Team } from "./crew.ts";
import { runCommand } from "./kill-command.ts";
import type { Prepared } from "./prepare.ts";

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
const FINISH_MS = 15_000; // 15 s
const READ_AGAIN = 0.2; // of the traffic's time: slow clients begin to read again one after the other

const faultsOf = (totals: Totals): number =>
  Object.values(totals.faults).reduce<number>((sum, count) => sum + count, 0);

export class Run {
  readonly #options: Options;
  readonly #plan: Plan;
  readonly #slow: number;
  readonly #rates: readonly number[];
  readonly #crew: Team;
  readonly #watch: GatewayWatch;
  readonly #ledger: Ledger;
  readonly #totals: Totals;
  readonly #feed: Feed;
  readonly #watcher: Watcher;
  readonly #stop: AbortSignal;
  readonly #finishMs: number;
  readonly #startedAt = new Date();
  readonly #marks: Result["marks"] = [];
  readonly #commandFailures: string[] = [];
  #phaseBegin = performance.now();
  #mostOpen = 0;
  #finishing = false;
  #secondsToConnect = 0;

  /**
   * @param hire starts the workers
   * @param stop Ctrl-C: ends the load and reports
   * @param finishMs time for the last deliveries, and before that for clients to come back
   */
  constructor(
    options: Options,
    prepared: Prepared,
    hire: (onSample: OnSample) => Team,
    watcher: Watcher,
    stop: AbortSignal,
    finishMs = FINISH_MS,
  ) {
    this.#finishMs = finishMs;
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
    this.#crew = hire((sample, worker) => {
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
    if (this.#stop.aborted) await this.#crew.ask<"halt">({ kind: "halt" });
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
        if (!this.#stop.aborted) await this.#break(round, begin + ms - performance.now());
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

  /** @param within how long a command may take, ms */
  async #break(round: number, within: number): Promise<void> {
    this.#mark(`break ${round}`);
    const { kill } = this.#options;
    if (kill === undefined) {
      await this.#crew.ask<"cut">({ kind: "cut" });
      return;
    }
    const failure = await Promise.race([runCommand(kill, within, this.#stop), this.#crew.broken]);
    if (failure !== undefined) this.#commandFailures.push(`${JSON.stringify(kill)} ${failure}`);
  }

  /** Waits until every client has what was sent to it, and counts. */
  async #finish(): Promise<{ finished: Finished[]; balance: Balance }> {
    this.#finishing = true;
    this.#phase("finishing", this.#finishMs / 1000);
    const own = this.#feed.kind === "own";
    this.#totals.endStage();
    if (own) await this.#feed.stop();
    await this.#crew.ask<"read">({ kind: "read", slowClientsRead: true, overMs: 0 });
    const back = performance.now() + this.#finishMs;
    while (this.#totals.open < this.#mostOpen && performance.now() < back && !this.#stop.aborted)
      await this.#wait(200);
    // What was stored is due to all. Of a feed of others, what any client has.
    await this.#sample();
    const upTo = this.#ledger.last;
    const finished = await this.#crew.ask<"finish">({ kind: "finish", upTo, timeoutMs: this.#finishMs });
    await this.#sample();
    const rested = Math.min(...finished.map((one) => one.position));
    const complete = finished.every(({ unsettled }) => unsettled === 0) && Number.isFinite(rested);
    // Never what a gateway says it has given out: one that is cut off from the stream does not know what is due.
    const cutoff = complete ? Math.max(upTo, rested) : upTo;
    await this.#crew.ask<"audit">({
      kind: "audit",
      ...this.#ledger.takeUpTo(cutoff, performance.now()),
    });
    const balance = addBalances(await this.#crew.ask<"balance">({ kind: "balance" }));
    return { finished, balance };
  }

  /** Learns all that the workers know by now. */
  async #sample(): Promise<void> {
    await this.#crew.ask<"sample">({ kind: "sample" });
  }

  /** Ends all subscriptions; what has come until then is all there is. */
  async #unsubscribe(): Promise<void> {
    await this.#crew.ask<"unsubscribe">({ kind: "unsubscribe" });
    // An answer to a heartbeat comes behind all that was sent before.
    await this.#crew.ask<"finish">({ kind: "finish", upTo: 0, timeoutMs: this.#finishMs });
    await this.#sample();
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
      const { finished, balance } = await this.#finish();
      const [after, counts] = await compareCounts(this.#options, before, {
        watch: this.#watch,
        totals: this.#totals,
        rest: () => this.#unsubscribe(),
        settle: () => this.#sample(),
      });
      return buildResult({
        options: this.#options,
        startedAt: this.#startedAt,
        clocks: this.#clocks,
        feed: this.#feed,
        plan,
        ledger: this.#ledger,
        totals: this.#totals,
        marks: this.#marks,
        mostOpen: this.#mostOpen,
        secondsToConnect: this.#secondsToConnect,
        finished,
        balance,
        gateway: { before, after, trouble: this.#watch.trouble },
        counts,
        commandFailures: this.#commandFailures,
        stopped: this.#stop.aborted,
      });
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
}
