/** One run, from the first connection to the result. */

import { setTimeout as sleep } from "node:timers/promises";
import { addSummaries } from "../client/delivery-summary.ts";
import type { Options } from "../settings/options.ts";
import type { Feed } from "../traffic/feed.ts";
import { buildResult } from "../verdict/build-result.ts";
import { compareCounts } from "../verdict/compare-counts.ts";
import type { ExpectedMessages } from "../verdict/expected-messages.ts";
import { GatewayMetrics } from "../verdict/gateway-metrics.ts";
import { type Clocks, shiftMicros } from "../verdict/latency-basis.ts";
import type { Result } from "../verdict/result.ts";
import type { Point } from "../verdict/timeline.ts";
import { Totals } from "../verdict/totals.ts";
import type { DeliverySummary, Finished } from "../worker-messages.ts";
import type { Prepared } from "./prepare.ts";
import { playScenario } from "./scenario.ts";
import type { OnSample, RunWorkers } from "./worker-pool.ts";

/** Shows the progress of a run. */
export interface ProgressListener {
  phase(name: string, seconds: number): void;
  /** Called once a second. */
  tick(point: Point, state: { secondsOfPhase: number; wanted: number; faults: number }): void;
}

const TICK_MS = 1000;
/**
 * A message is audited this long after the first client received it. A later delivery still counts, as late.
 */
const AUDIT_AFTER_MS = 3000;
/** Without a new connection for this long, the run stops waiting for more. */
const STALLED_MS = 45_000; // longer than the longest delay of a client that was refused
const FINISH_MS = 15_000; // 15 s
/** A busy gateway may be late with the next turn of a channel by this time. */
const TURN_TOLERANCE_MS = 1000;
/** A slow client leaves each of three throttle levels after 30 s, and then gets what was dropped. */
const SLOW_FINISH_MS = 120_000; // 2 min

export class Run {
  readonly #options: Options;
  readonly #prepared: Prepared;
  readonly #workers: RunWorkers;
  readonly #metrics: GatewayMetrics;
  readonly #totals: Totals;
  readonly #progress: ProgressListener;
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
   * @param startWorkers starts the workers
   * @param stop Ctrl-C: ends the load; a report is written
   * @param finishMs time for the last deliveries, and before that for clients to reconnect
   */
  constructor(
    options: Options,
    prepared: Prepared,
    startWorkers: (onSample: OnSample) => RunWorkers,
    progress: ProgressListener,
    stop: AbortSignal,
    finishMs = prepared.slow > 0 ? SLOW_FINISH_MS : FINISH_MS,
  ) {
    this.#finishMs = finishMs;
    this.#options = options;
    this.#prepared = prepared;
    this.#progress = progress;
    this.#stop = stop;
    this.#metrics = new GatewayMetrics(options.metrics);
    this.#totals = new Totals((clock) => shiftMicros(this.#clocks, clock));
    this.#workers = startWorkers((sample, worker) => {
      this.#expected.addReceived(sample.messages, sample.epoch, performance.now());
      this.#totals.add(sample, worker);
    });
  }

  get #clocks(): Clocks {
    return { feed: this.#feed.kind, sameMachine: this.#options.sameMachine };
  }

  get #feed(): Feed {
    return this.#prepared.feed;
  }

  get #expected(): ExpectedMessages {
    return this.#prepared.expected;
  }

  #phase(name: string, seconds: number): void {
    this.#phaseBegin = performance.now();
    this.#progress.phase(name, seconds);
  }

  #tick(): void {
    const point = this.#totals.tick(this.#metrics.last);
    this.#mostOpen = Math.max(this.#mostOpen, point.open);
    this.#progress.tick(point, {
      secondsOfPhase: (performance.now() - this.#phaseBegin) / 1000,
      wanted: this.#options.connections,
      faults: this.#totals.faultCount,
    });
    // The last audit covers what all clients certainly have; #finish() makes that audit.
    if (this.#finishing) return;
    const now = performance.now();
    const audit = this.#expected.takeOlderThan(now - AUDIT_AFTER_MS, now);
    if (audit !== undefined) void this.#workers.ask<"audit">({ kind: "audit", ...audit }).catch(() => {});
  }

  /** Sleeps; returns early when the run is to end. */
  async #wait(ms: number): Promise<void> {
    const pause = sleep(Math.max(ms, 0), undefined, { signal: this.#stop }).catch(() => {});
    await Promise.race([pause, this.#workers.failed]);
  }

  async #connect(): Promise<void> {
    const { connections, connectRate, rates, scenario, workers } = this.#options;
    const perSecond = scenario === "connection-rate" ? (rates[0] ?? connectRate) : connectRate;
    this.#phase("connecting", connections / perSecond);
    await this.#workers.ask<"connect">({ kind: "connect", perSecond: perSecond / workers });
    const begin = performance.now();
    let most = 0;
    let mostAt = begin;
    while (!this.#stop.aborted && this.#totals.open < connections) {
      await this.#wait(100);
      const now = performance.now();
      if (this.#totals.open > most) [most, mostAt] = [this.#totals.open, now];
      else if (now - mostAt > STALLED_MS && now - begin > (connections / perSecond) * 1000 + STALLED_MS)
        break;
    }
    if (this.#stop.aborted) await this.#workers.ask<"stopConnecting">({ kind: "stopConnecting" });
    this.#secondsToConnect = (performance.now() - begin) / 1000;
  }

  async #traffic(): Promise<void> {
    const { scenario, seconds } = this.#options;
    const stages = scenario === "connection-rate" || !this.#feed.controlled ? [0] : this.#prepared.rates;
    for (const rate of stages) {
      if (this.#stop.aborted) return;
      const name =
        rate === 0 ? (scenario === "connection-rate" ? "holding" : "as published") : `${rate} msg/s`;
      if (rate > 0) await this.#feed.setRate(rate, seconds);
      this.#totals.beginStage(name);
      this.#phase(name, seconds);
      await this.#playScenario(seconds * 1000);
    }
  }

  #playScenario(ms: number): Promise<void> {
    return playScenario(
      {
        options: this.#options,
        workers: this.#workers,
        slow: this.#prepared.slow,
        stop: this.#stop,
        wait: (time) => this.#wait(time),
        mark: (name) => this.#marks.push({ at: this.#totals.timeline.seconds, name }),
        commandFailures: this.#commandFailures,
      },
      ms,
    );
  }

  /** Waits until every client has received everything that was sent to it, and sums up. */
  async #finish(): Promise<{ finished: Finished[]; summary: DeliverySummary }> {
    this.#finishing = true;
    this.#phase("finishing", this.#finishMs / 1000);
    this.#totals.endStage();
    if (this.#feed.kind === "own") await this.#feed.stop();
    await this.#workers.ask<"setSlowReading">({ kind: "setSlowReading", reading: true, overMs: 0 });
    const deadline = performance.now() + this.#finishMs;
    while (this.#totals.open < this.#mostOpen && performance.now() < deadline && !this.#stop.aborted)
      await this.#wait(200);
    // Everything that was stored is due to all subscribers. For an external feed: everything that any client
    // received.
    await this.#sample();
    const upTo = this.#expected.lastOffset;
    const finished = await this.#workers.ask<"finish">({ kind: "finish", upTo, timeoutMs: this.#finishMs });
    await this.#sample();
    const settledOffset = Math.min(...finished.map(({ offset }) => offset));
    const complete = finished.every(({ unsettled }) => unsettled === 0) && Number.isFinite(settledOffset);
    // The gateway's own offset never lowers what is due: a gateway that lost the stream does not know what it
    // misses.
    const cutoff = complete ? Math.max(upTo, settledOffset) : upTo;
    await this.#waitForTurns();
    const audit = this.#expected.takeUpTo(cutoff, performance.now());
    await this.#workers.ask<"audit">({ kind: "audit", ...audit });
    const summary = addSummaries(await this.#workers.ask<"summarize">({ kind: "summarize" }));
    return { finished, summary };
  }

  /**
   * Where the newest message of a channel counts, a message that is due may have been replaced by one that
   * still waits for its turn, because an external feed continues. Only the arrival of the newer one shows
   * that nothing was lost.
   */
  async #waitForTurns(): Promise<void> {
    const { maxRate, conflate } = this.#options;
    if (this.#feed.kind === "own" || (maxRate === undefined && !conflate)) return;
    await this.#wait((maxRate === undefined ? 0 : 1000 / maxRate) + TURN_TOLERANCE_MS);
  }

  /** Gets the current samples of all workers. */
  async #sample(): Promise<void> {
    await this.#workers.ask<"sample">({ kind: "sample" });
  }

  /** Ends all subscriptions, so that the counts are final. */
  async #unsubscribe(): Promise<void> {
    await this.#workers.ask<"unsubscribe">({ kind: "unsubscribe" });
    // The answer to a heartbeat arrives after everything that was sent before, so all deliveries are counted
    // then.
    await this.#workers.ask<"finish">({ kind: "finish", upTo: 0, timeoutMs: this.#finishMs });
    await this.#sample();
  }

  async #assign(): Promise<void> {
    const { urls, sources, compression, compact, tokens, atOnce, scenario } = this.#options;
    const { last, maxRate, conflate } = this.#options;
    const { plan, slow } = this.#prepared;
    const breaksWanted = scenario === "reconnect";
    await this.#workers.assign({
      ...{ plan, urls, sources, compression, compact, tokens, atOnce, breaksWanted, slow },
      ...{ last, maxRate, conflate },
    });
  }

  /** Runs to the end, or to Ctrl-C. */
  async go(): Promise<Result> {
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    try {
      const before = await this.#metrics.readWhenIdle();
      this.#metrics.start();
      if (this.#options.last) await this.#feed.prime?.();
      await this.#assign();
      await this.#connect();
      // Without any connection, traffic would show nothing.
      if (!this.#stop.aborted && this.#mostOpen + this.#totals.open > 0) await this.#traffic();
      const { finished, summary } = await this.#finish();
      const [after, counts] = await compareCounts(this.#options, before, {
        metrics: this.#metrics,
        totals: this.#totals,
        unsubscribe: () => this.#unsubscribe(),
        sample: () => this.#sample(),
      });
      const { plan, feed, expected } = this.#prepared;
      return buildResult({
        ...{ options: this.#options, plan, feed, expected, clocks: this.#clocks },
        ...{ startedAt: this.#startedAt, totals: this.#totals, marks: this.#marks },
        ...{ mostOpen: this.#mostOpen, secondsToConnect: this.#secondsToConnect },
        ...{ finished, summary, counts, commandFailures: this.#commandFailures },
        gateway: { before, after, error: this.#metrics.error },
        stopped: this.#stop.aborted,
      });
    } finally {
      clearInterval(ticker);
      this.#metrics.stop();
      await this.#feed.stop().catch(() => {});
      await this.#workers.close();
    }
  }

  /** Ends the workers at once. */
  kill(): void {
    this.#workers.kill();
  }
}
