/** Several worker processes behind one hub: brings them the stream, keeps their seats, replaces those that die. */

import cluster, { type Worker } from "node:cluster";
import { History, type HistoryLimits } from "../delivery/history.ts";
import type { Message } from "../delivery/message.ts";
import type { Admission, Applicant, Closure } from "../entrance/admission.ts";
import type { GatewayStats } from "../gateway.ts";
import type { Log } from "../log.ts";
import type { Fleet, MetricsSnapshot } from "./fleet.ts";
import type { StreamEvent, ToPrimary, ToWorker } from "./ipc.ts";
import type { Usage } from "./overload.ts";
import { probePort } from "./port.ts";

const REPORT_TIMEOUT_MS = 2000;
/** A worker that says nothing for so long hangs. */
const SILENT_MS = 30_000;
/** So many stream events behind, a worker hangs too: the rest would only pile up here. */
const MAX_BEHIND = 200_000;
const HISTORY_CHUNK = 1000;
/** Pause before a worker that died is replaced, so that one that dies at its start does not turn the CPU. */
const REPLACE_MS = 250;
/** Time for a worker to say goodbye. */
const STOP_MS = 500;

interface Member {
  worker: Worker;
  /** The stream reaches it. */
  attached: boolean;
  serving: boolean;
  drained: boolean;
  usage: Usage;
  heardAt: number;
  sent: number;
  /** Seats that its clients hold, by user; undefined: without authentication. */
  seats: Map<string | undefined, number>;
  stats: GatewayStats;
  metrics: MetricsSnapshot;
}

const NO_STATS: GatewayStats = { connections: 0, subscriptions: 0, deliveries: 0, dropped: 0 };

export class WorkerPool implements Fleet {
  readonly #size: number;
  #port: number;
  readonly #log: Log;
  readonly #admission: () => Admission;
  /** For workers that start later. */
  readonly #history: History;
  readonly #members = new Map<number, Member>();
  readonly #reports = new Map<number, (member: Member) => void>();
  readonly #watch: NodeJS.Timeout;
  #watchedAt = performance.now();
  #begun = false;
  #batch: StreamEvent[] = [];
  #reportId = 0;
  #closure: Closure | undefined;
  #stopping = false;
  #drainSeconds: number | undefined;
  #onDrained: () => void = () => {};
  #onEmpty: () => void = () => {};
  #onServing: () => void = () => {};
  #onFailed: (error: Error) => void = () => {};
  /** What counted in workers that are gone: a counter must not fall. */
  readonly #retired: MetricsSnapshot[] = [];
  #retiredStats = { deliveries: 0, dropped: 0 };

  constructor(options: {
    size: number;
    port: number;
    history: HistoryLimits;
    admission: () => Admission;
    log: Log;
  }) {
    this.#size = options.size;
    this.#port = options.port;
    this.#history = new History(options.history);
    this.#admission = options.admission;
    this.#log = options.log;
    // Structured clone carries bytes as they are; JSON would not.
    cluster.setupPrimary({ serialization: "advanced" });
    this.#watch = setInterval(() => this.#killSilent(), SILENT_MS / 10);
  }

  /** Starts the workers; resolves when all of them serve. Rejects when the port cannot be had. */
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
    const worker = cluster.fork();
    const member: Member = {
      worker,
      attached: false,
      serving: false,
      drained: false,
      usage: { cpuMicros: 0, rssBytes: 0 },
      heardAt: performance.now(),
      sent: 0,
      seats: new Map(),
      stats: NO_STATS,
      metrics: [],
    };
    this.#members.set(worker.id, member);
    worker.on("message", (message: ToPrimary) => this.#onMessage(member, message));
    worker.on("error", (error) =>
      this.#log.warn({ err: error, worker_pid: worker.process.pid }, "worker process failed"),
    );
    worker.once("exit", (code, signal) => this.#onExit(member, code, signal));
  }

  #onMessage(member: Member, message: ToPrimary): void {
    // What a worker said may come after its end: its seats have been freed by then.
    if (!this.#members.has(member.worker.id)) return;
    member.heardAt = performance.now();
    switch (message.type) {
      case "started":
        return this.#attach(member);
      case "serving":
        member.serving = true;
        return this.#onServing();
      case "failed":
        this.#onFailed(new Error(message.message));
        // After the start nobody waits for that: another one may have more luck.
        return this.#kill(member, message.message);
      case "take": {
        const { applicant, id } = message;
        const refusal = this.#admission().take(applicant, Math.floor(Date.now() / 1000));
        if (refusal === undefined)
          member.seats.set(applicant.user, (member.seats.get(applicant.user) ?? 0) + 1);
        return send(member, { type: "taken", id, refusal });
      }
      case "free":
        return this.#free(member, message.applicant);
      case "beat":
        member.usage = message.usage;
        if (member.sent - message.events > MAX_BEHIND)
          this.#kill(member, "it cannot keep up with the stream");
        return;
      case "report":
        member.stats = message.stats;
        member.metrics = message.metrics;
        this.#reports.get(message.id)?.(member);
        return;
      case "drained":
        member.drained = true;
        return this.#checkDrained();
    }
  }

  #free(member: Member, applicant: Pick<Applicant, "user">): void {
    const held = member.seats.get(applicant.user) ?? 0;
    if (held === 0) return;
    if (held === 1) member.seats.delete(applicant.user);
    else member.seats.set(applicant.user, held - 1);
    this.#admission().free(applicant);
  }

  /** Gives a worker that has started the history, then lets it serve. */
  #attach(member: Member): void {
    // What is waiting to be sent is in the history already, and must not reach this worker twice.
    this.#flush();
    if (this.#begun) {
      const { epoch, floor, head } = this.#history;
      this.#stream(member, [{ type: "begin", epoch, offset: floor }]);
      const messages = this.#history.all();
      for (let i = 0; i < messages.length; i += HISTORY_CHUNK) {
        this.#stream(member, [
          { type: "history", messages: messages.slice(i, i + HISTORY_CHUNK).map((one) => one.pack()) },
        ]);
      }
      this.#stream(member, [{ type: "skip", offset: head }]);
    }
    member.attached = true;
    send(member, { type: "closure", closure: this.#closure });
    send(member, { type: "serve", port: this.#port });
    if (this.#drainSeconds !== undefined) send(member, { type: "drain", seconds: this.#drainSeconds });
  }

  #onExit(member: Member, code: number | null, signal: string | null): void {
    this.#members.delete(member.worker.id);
    for (const [user, count] of member.seats) {
      for (let i = 0; i < count; i++) this.#admission().free({ user });
    }
    this.#retire(member);
    if (this.#members.size === 0) this.#onEmpty();
    this.#checkDrained();
    if (this.#stopping) return;
    this.#log.error(
      { worker_pid: member.worker.process.pid, code, signal, connections: member.stats.connections },
      "a worker died, replacing it",
    );
    setTimeout(() => {
      if (!this.#stopping) this.#fork();
    }, REPLACE_MS);
  }

  #retire(member: Member): void {
    const counters = member.metrics.filter(
      ({ type }) => String(type) === "counter" || String(type) === "histogram",
    );
    if (counters.length > 0) this.#retired.push(counters);
    this.#retiredStats.deliveries += member.stats.deliveries;
    this.#retiredStats.dropped += member.stats.dropped;
  }

  #killSilent(): void {
    const now = performance.now();
    const late = now - this.#watchedAt > SILENT_MS / 2;
    this.#watchedAt = now;
    // Silence is no worker's fault when this process, or the whole VM, stood still itself.
    if (late) return;
    for (const member of this.#members.values()) {
      if (now - member.heardAt > SILENT_MS) this.#kill(member, "it does not answer");
    }
  }

  #kill(member: Member, reason: string): void {
    this.#log.error({ worker_pid: member.worker.process.pid, reason }, "killing a worker");
    member.worker.process.kill("SIGKILL");
  }

  // ——— the stream ———

  begin(epoch: string, offset: number): void {
    this.#begun = true;
    this.#history.begin(epoch, offset);
    this.#queue({ type: "begin", epoch, offset });
  }
  message(message: Message, shed: boolean): void {
    this.#history.append(message, Date.now());
    this.#queue({ type: "message", message: message.pack(), shed });
  }
  skip(offset: number): void {
    this.#history.skip(offset);
    this.#queue({ type: "skip", offset });
  }
  lose(offset: number): void {
    this.#history.lose(offset);
    this.#queue({ type: "lose", offset });
  }

  /** What comes in one turn of the event loop goes out as one message to each worker. */
  #queue(event: StreamEvent): void {
    this.#batch.push(event);
    if (this.#batch.length === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const events = this.#batch;
    if (events.length === 0) return;
    this.#batch = [];
    for (const member of this.#members.values()) if (member.attached) this.#stream(member, events);
  }

  #stream(member: Member, events: StreamEvent[]): void {
    member.sent += events.length;
    send(member, { type: "stream", events });
  }

  setClosure(closure: Closure | undefined): void {
    this.#closure = closure;
    for (const member of this.#members.values()) send(member, { type: "closure", closure });
  }

  // ——— what the primary wants to know ———

  usage(): Map<number, Usage> {
    return new Map([...this.#members.values()].map(({ worker, usage }) => [worker.process.pid ?? 0, usage]));
  }

  async stats(): Promise<GatewayStats> {
    await this.#report();
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
    await this.#report();
    return [
      ...this.#retired,
      ...[...this.#members.values()].map(({ metrics }) => metrics).filter(({ length }) => length > 0),
    ];
  }

  /** Asks all workers; one that does not answer in time counts with what it said before. */
  async #report(): Promise<void> {
    await Promise.all(
      [...this.#members.values()]
        .filter(({ serving }) => serving)
        .map(
          (member) =>
            new Promise<void>((resolve) => {
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
              send(member, { type: "report", id });
            }),
        ),
    );
  }

  // ——— the end ———

  drain(seconds: number): Promise<void> {
    this.#stopping = true;
    this.#drainSeconds = seconds;
    return new Promise((resolve) => {
      this.#onDrained = resolve;
      for (const member of this.#members.values())
        if (member.attached) send(member, { type: "drain", seconds });
      this.#checkDrained();
    });
  }

  #checkDrained(): void {
    if (this.#drainSeconds === undefined) return;
    if ([...this.#members.values()].every(({ drained }) => drained)) this.#onDrained();
  }

  stop(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#watch);
    for (const member of this.#members.values()) {
      send(member, { type: "stop" });
      // One that hangs does not hold up the end; the channel's end is what the others take for it.
      setTimeout(() => member.worker.process.kill("SIGKILL"), STOP_MS).unref();
    }
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#members.size === 0) resolve();
    });
  }
}

function send(member: Member, message: ToWorker): void {
  // A worker that is just dying is replaced; what it should have got is in the history of its successor.
  if (member.worker.isConnected()) member.worker.send(message, () => {});
}
