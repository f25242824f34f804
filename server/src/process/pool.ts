/**
 * Several worker processes behind one hub: starts them, keeps their clients' seats, replaces workers that
 * die.
 */

import cluster from "node:cluster";
import type { HistoryLimits } from "../delivery/history.ts";
import type { LastValuesLimits } from "../delivery/last-values.ts";
import type { StreamEnd } from "../delivery/stream-end.ts";
import type { Refusal } from "../entrance/admission.ts";
import type { SeatRegistry } from "../entrance/seat-registry.ts";
import type { DrainPlan, GatewayStats } from "../gateway.ts";
import type { Log } from "../log.ts";
import type { Fleet, MetricsSnapshot } from "./fleet.ts";
import type { Downstream } from "./hub.ts";
import type { ToPrimary } from "./ipc.ts";
import type { Usage } from "./overload.ts";
import { PoolFeed } from "./pool-feed.ts";
import { NO_STATS, PoolMember } from "./pool-member.ts";
import { probePort } from "./port.ts";

/** How long a worker may take to report its statistics. */
const REPORT_TIMEOUT_MS = 2000;
/**
 * A serving worker that has sent nothing for this time hangs. Nothing else takes it out of the rotation: the
 * kernel sends it new connections until its listening socket is closed.
 */
const SILENT_MS = 3500;
/** A worker that has sent nothing for this time has failed to start. */
const START_MS = 30_000;
const SILENCE_CHECK_MS = 250;
/**
 * A worker that is this many stream events behind hangs too: more events would only fill the primary's
 * memory.
 */
const MAX_EVENTS_BEHIND = 200_000;
/**
 * Pause before a worker that died is replaced: a worker that always dies at its start must not use up the
 * CPU.
 */
const REPLACE_MS = 250;
/** Pause before another attempt to start a worker when the system cannot start processes. */
const START_RETRY_MS = 1000;
/** Time that a worker has to close its connections when the gateway stops. */
const STOP_MS = 500;

export interface WorkerPoolOptions {
  /** Number of workers. */
  size: number;
  port: number;
  history: HistoryLimits;
  /** Undefined: last values are not kept. */
  lastValues: LastValuesLimits | undefined;
  seats: SeatRegistry;
  streamEnd: StreamEnd | undefined;
  log: Log;
}

export class WorkerPool implements Fleet {
  readonly #size: number;
  #port: number;
  readonly #log: Log;
  readonly #seats: SeatRegistry;
  readonly #streamEnd: StreamEnd | undefined;
  /** By worker id. */
  readonly #members = new Map<number, PoolMember>();
  readonly #feed: PoolFeed;
  readonly #reports = new Map<number, () => void>();
  readonly #silenceTimer: NodeJS.Timeout;
  #silenceCheckedAt = performance.now();
  #reportId = 0;
  #stopping = false;
  #drainPlan: DrainPlan | undefined;
  #onDrained: () => void = () => {};
  #onEmpty: () => void = () => {};
  #onServing: () => void = () => {};
  #onFailed: (error: Error) => void = () => {};
  /** Counters of workers that have ended: the sum over all workers must not fall. */
  readonly #retiredMetrics: MetricsSnapshot[] = [];
  #retiredStats = { deliveries: 0, dropped: 0 };

  constructor({ size, port, history, lastValues, seats, streamEnd, log }: WorkerPoolOptions) {
    this.#size = size;
    this.#port = port;
    this.#seats = seats;
    this.#streamEnd = streamEnd;
    this.#log = log;
    this.#feed = new PoolFeed(this.#members, history, lastValues);
    // Structured clone keeps byte arrays as they are; JSON would not.
    cluster.setupPrimary({ serialization: "advanced" });
    this.#silenceTimer = setInterval(() => this.#killSilent(), SILENCE_CHECK_MS);
  }

  get downstream(): Downstream {
    return this.#feed;
  }

  /** Starts the workers; resolves when all workers serve. Rejects when the port is not available. */
  async start(): Promise<number> {
    this.#port = await probePort(this.#port);
    return new Promise((resolve, reject) => {
      this.#onFailed = reject;
      this.#onServing = () => {
        if ([...this.#members.values()].every(({ serving }) => serving)) resolve(this.#port);
      };
      for (let i = 0; i < this.#size; i++) this.#fork();
    });
  }

  #fork(): void {
    let member: PoolMember;
    try {
      member = new PoolMember();
    } catch (error) {
      return this.#onStartFailed(error as Error);
    }
    const { worker } = member;
    this.#members.set(worker.id, member);
    this.#seats.add(member);
    worker.on("message", (message: ToPrimary) => this.#onMessage(member, message));
    worker.on("error", (error) => {
      if (member.pid !== 0)
        return this.#log.warn({ err: error, worker_pid: member.pid }, "worker process failed");
      // There is no process, so there will be no event 'exit'.
      this.#members.delete(worker.id);
      delete cluster.workers?.[worker.id];
      this.#onStartFailed(error);
    });
    worker.once("exit", (code, signal) => this.#onExit(member, code, signal));
  }

  /** The system has no process, descriptor or memory left for a worker. */
  #onStartFailed(error: Error): void {
    this.#onFailed(error);
    if (this.#stopping) return;
    this.#log.error({ err: error }, "a worker could not be started, trying again");
    this.#forkIn(START_RETRY_MS);
  }

  #forkIn(ms: number): void {
    setTimeout(() => {
      if (!this.#stopping) this.#fork();
    }, ms);
  }

  #onMessage(member: PoolMember, message: ToPrimary): void {
    // A message may arrive after the worker's end, when its seats have been freed already.
    if (!this.#members.has(member.worker.id)) return;
    member.silentMs = 0;
    switch (message.type) {
      case "started":
        return this.#serve(member);
      case "serving":
        member.serving = true;
        return this.#onServing();
      case "failed":
        this.#onFailed(new Error(message.message));
        // After the start, nothing waits for this error. The worker is replaced, and its replacement may
        // succeed.
        return this.#kill(member, message.message);
      case "take": {
        const { seat, applicant } = message;
        const answer = (refusal: Refusal | undefined) => member.send({ type: "taken", seat, refusal });
        return void this.#seats.take(member, seat, applicant).then(answer);
      }
      case "free":
        return this.#seats.free(member, message.seat);
      case "checked":
        return member.onChecked(message.id);
      case "end":
        return void this.#answerEnd(member, message.id);
      case "heartbeat":
        member.usage = message.usage;
        if (member.sentEvents - message.events > MAX_EVENTS_BEHIND) {
          this.#kill(member, "it cannot keep up with the stream");
        }
        return;
      case "report":
        member.stats = message.stats;
        member.metrics = message.metrics;
        this.#reports.get(message.id)?.();
        return;
      case "drained":
        member.drained = true;
        return this.#checkDrained();
    }
  }

  async #answerEnd(member: PoolMember, id: number): Promise<void> {
    member.send({ type: "end", id, end: await this.#streamEnd?.() });
  }

  #serve(member: PoolMember): void {
    this.#feed.attach(member);
    member.send({ type: "serve", port: this.#port });
    if (this.#drainPlan !== undefined) member.send({ type: "drain", plan: this.#drainPlan });
  }

  #onExit(member: PoolMember, code: number | null, signal: string | null): void {
    this.#members.delete(member.worker.id);
    this.#seats.remove(member);
    this.#retire(member);
    if (this.#members.size === 0) this.#onEmpty();
    this.#checkDrained();
    if (this.#stopping) return;
    this.#log.error(
      { worker_pid: member.worker.process.pid, code, signal, connections: member.stats.connections },
      "a worker died, replacing it",
    );
    this.#forkIn(REPLACE_MS);
  }

  #retire({ metrics, stats }: PoolMember): void {
    const counters = metrics.filter(({ type }) => String(type) === "counter" || String(type) === "histogram");
    if (counters.length > 0) this.#retiredMetrics.push(counters);
    this.#retiredStats.deliveries += stats.deliveries;
    this.#retiredStats.dropped += stats.dropped;
  }

  #killSilent(): void {
    const now = performance.now();
    // Time in which this process did not run is not the workers' silence: the machine was busy or suspended.
    const elapsed = Math.min(now - this.#silenceCheckedAt, SILENCE_CHECK_MS);
    this.#silenceCheckedAt = now;
    for (const member of this.#members.values()) {
      member.silentMs += elapsed;
      if (member.silentMs > (member.serving ? SILENT_MS : START_MS)) this.#kill(member, "it does not answer");
    }
  }

  #kill(member: PoolMember, reason: string): void {
    member.silentMs = 0;
    this.#log.error({ worker_pid: member.worker.process.pid, reason }, "killing a worker");
    member.kill();
  }

  // ——— reports ———

  usage(): Map<number, Usage> {
    return new Map([...this.#members.values()].map(({ pid, usage }) => [pid, usage]));
  }

  async stats(): Promise<GatewayStats> {
    await this.#askForReports();
    const sum = { ...NO_STATS, ...this.#retiredStats };
    for (const { stats } of this.#members.values()) {
      sum.connections += stats.connections;
      sum.subscriptions += stats.subscriptions;
      sum.deliveries += stats.deliveries;
      sum.dropped += stats.dropped;
    }
    return sum;
  }

  async metrics(): Promise<MetricsSnapshot[]> {
    await this.#askForReports();
    const current = [...this.#members.values()].map(({ metrics }) => metrics);
    return [...this.#retiredMetrics, ...current.filter(({ length }) => length > 0)];
  }

  /** Asks all workers for a report. A worker that does not answer in time counts with its previous report. */
  async #askForReports(): Promise<void> {
    const serving = [...this.#members.values()].filter((member) => member.serving);
    await Promise.all(serving.map((member) => this.#askForReport(member)));
  }

  #askForReport(member: PoolMember): Promise<void> {
    return new Promise((resolve) => {
      const id = ++this.#reportId;
      const done = () => {
        clearTimeout(timer);
        this.#reports.delete(id);
        member.worker.off("exit", done);
        resolve();
      };
      const timer = setTimeout(done, REPORT_TIMEOUT_MS);
      this.#reports.set(id, done);
      member.worker.once("exit", done);
      member.send({ type: "report", id });
    });
  }

  // ——— the end ———

  drain(plan: DrainPlan): Promise<void> {
    this.#stopping = true;
    this.#drainPlan = plan;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      for (const member of this.#members.values()) {
        if (member.attached) member.send({ type: "drain", plan });
      }
      this.#checkDrained();
    });
  }

  #checkDrained(): void {
    if (this.#drainPlan === undefined) return;
    if ([...this.#members.values()].every(({ drained }) => drained)) this.#onDrained();
  }

  stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#silenceTimer);
    for (const member of this.#members.values()) {
      member.send({ type: "stop" });
      // A worker that hangs must not delay the end.
      setTimeout(() => member.kill(), STOP_MS).unref();
    }
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#members.size === 0) resolve();
    });
  }
}
