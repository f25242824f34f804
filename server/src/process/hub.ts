/** What there is once on a VM: the source, the limits, the state that `/health` tells. Serving clients is the gateways' work. */

import { isUtf8 } from "node:buffer";
import { PRIORITIES } from "@odin-ws/protocol";
import type { Config } from "../config.ts";
import { Message } from "../delivery/message.ts";
import { eventLabel } from "../delivery/tally.ts";
import type { Admission, Closure } from "../entrance/admission.ts";
import { atMostEvery, type Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { PriorityLimiter, TokenBucket } from "../rate.ts";
import type { Intake, RawMessage, SourceStatus } from "../source/source.ts";
import { Overload, type Usage } from "./overload.ts";

/** Who serves clients: the gateway of this process, or the pool of workers. */
export interface Downstream {
  begin(epoch: string, offset: number): void;
  message(message: Message, shed: boolean): void;
  skip(offset: number): void;
  lose(offset: number): void;
  setClosure(closure: Closure | undefined): void;
}

const NATS_GRACE_MS = 10_000;
const COMPLAIN_MS = 60_000;
const SAMPLE_MS = 1000;
const RELEASE_MS = 10;

export interface HubOptions {
  config: Config;
  admission: Admission;
  downstream: Downstream;
  metrics: Metrics;
  log: Log;
}

export class Hub implements Intake {
  readonly #admission: Admission;
  readonly #config: Config;
  readonly #metrics: Metrics;
  readonly #downstream: Downstream;
  readonly #overload: Overload;
  readonly #broadcastLimit: PriorityLimiter | undefined;
  readonly #readLimit: TokenBucket | undefined;
  readonly #status: SourceStatus = { connected: false, refused: false, warm: false, lag: 0 };
  readonly #complainOfJson: () => void;
  readonly #complainOfSubject: () => void;
  readonly #log: Log;
  #subject = "";
  #lostAt = 0;
  #epoch = "";
  #offset = 0;
  #messages = 0;
  #dropped = 0;
  #draining = false;
  #sampledAt = Date.now();
  #announced: Closure | undefined;

  constructor({ config, admission, downstream, metrics, log }: HubOptions) {
    this.#config = config;
    this.#admission = admission;
    this.#metrics = metrics;
    this.#downstream = downstream;
    this.#log = log;
    this.#overload = new Overload({
      cpuLimit: config.WS_CPU_LIMIT,
      rejectThreshold: config.WS_CPU_REJECT_THRESHOLD,
      pauseThreshold: config.WS_CPU_PAUSE_THRESHOLD,
      memoryLimit: config.WS_MEMORY_LIMIT,
    });
    const now = Date.now();
    const { WS_MAX_BROADCAST_RATE: broadcast, WS_MAX_NATS_RATE: read } = config;
    this.#broadcastLimit = broadcast === 0 ? undefined : new PriorityLimiter(broadcast, now);
    this.#readLimit = read === 0 ? undefined : new TokenBucket(read, Math.max(1, read / 10), now);
    const complain = (problem: string) =>
      atMostEvery(COMPLAIN_MS, (count) =>
        log.warn({ subject: this.#subject, count }, `${problem}: not delivered`),
      );
    this.#complainOfJson = complain("a payload is not JSON");
    this.#complainOfSubject = complain("a subject is not odin.token.SYMBOL.EVENT or odin.global.EVENT");
  }

  // ——— the source ———

  begin(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#offset = offset;
    this.#status.warm = false;
    this.#downstream.begin(epoch, offset);
  }

  message(raw: RawMessage): void {
    const { body, offset } = raw;
    this.#offset = offset;
    this.#messages++;
    this.#subject = raw.subject;
    if (!isJson(body)) return this.#drop(offset, "invalid_json", this.#complainOfJson);
    const message = Message.from(raw);
    if (message === undefined) return this.#drop(offset, "invalid_subject", this.#complainOfSubject);
    this.#metrics.streamMessages.inc({ event: eventLabel(message.event) });
    // What is read to warm the history has no audience to protect, and must not use up the rate of what follows.
    const shed = this.#status.warm && this.#broadcastLimit?.passes(message.priority, Date.now()) === false;
    this.#downstream.message(message, shed);
  }

  #drop(offset: number, reason: string, complain: () => void): void {
    this.#dropped++;
    this.#metrics.messagesDropped.inc({ reason, priority: PRIORITIES[1] });
    complain();
    this.#downstream.skip(offset);
  }

  lose(offset: number): void {
    const count = offset - this.#offset;
    this.#offset = offset;
    this.#dropped += count;
    this.#metrics.messagesDropped.inc({ reason: "stream_gap", priority: PRIORITIES[1] }, count);
    this.#log.warn({ offset, count }, "messages left the stream before they could be read");
    this.#downstream.lose(offset);
  }

  ready(): Promise<void> | undefined {
    if (!this.#status.warm) return undefined;
    if (this.#overload.pauses) return this.#until(() => !this.#overload.pauses, SAMPLE_MS / 4);
    const now = Date.now();
    if (this.#readLimit === undefined || this.#readLimit.take(now)) return undefined;
    const limit = this.#readLimit;
    return this.#until(() => limit.take(Date.now()), RELEASE_MS);
  }

  #until(condition: () => boolean, everyMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (!condition()) return;
        clearInterval(timer);
        resolve();
      }, everyMs);
      timer.unref();
    });
  }

  status(change: Partial<SourceStatus>): void {
    const before = this.#status.connected;
    Object.assign(this.#status, change);
    if (before && !this.#status.connected) this.#lostAt = Date.now();
    this.#metrics.natsConnected.set(this.#status.connected ? 1 : 0);
    this.#metrics.natsLag.set(this.#status.lag);
  }

  // ——— limits and health ———

  /** Takes the usage of all processes, once a second, and passes on what follows from it. */
  sample(processes: ReadonlyMap<number, Usage>): void {
    const now = Date.now();
    const overload = this.#overload;
    overload.sample(processes, now - this.#sampledAt);
    this.#sampledAt = now;
    this.#admission.setClosure("cpu", overload.cpuRejects);
    this.#admission.setClosure("memory", overload.memoryRejects);
    this.#metrics.cpuUsage.set(overload.cpuPercent);
    this.#metrics.memoryUsage.set(overload.rssBytes);
    this.#metrics.capacityRatio.set(this.#admission.connections / this.#config.WS_MAX_CONNECTIONS);
    this.#metrics.natsPaused.set(overload.pauses ? 1 : 0);
    this.#tellClosure();
  }

  /** From now on nobody is let in and `/health` fails. */
  startDraining(): void {
    this.#draining = true;
    this.#admission.setClosure("draining", true);
    this.#metrics.draining.set(1);
    this.#tellClosure();
  }

  #tellClosure(): void {
    // Being full is decided seat by seat; the rest the gateways can refuse by themselves before anything that costs.
    const { closure } = this.#admission;
    const told = closure === "connections" ? undefined : closure;
    if (told === this.#announced) return;
    this.#announced = told;
    this.#log.info(
      { closure: told ?? "none" },
      told === undefined ? "new connections are wanted again" : "new connections are refused",
    );
    this.#downstream.setClosure(told);
  }

  /** Why new connections are not wanted here; empty: they are. */
  get unhealthy(): string[] {
    const reasons: string[] = [];
    const { closure } = this.#admission;
    if (closure !== undefined) reasons.push(closure);
    const source = this.#config.SOURCE === "jetstream" ? "nats" : this.#config.SOURCE;
    const { connected, refused, warm } = this.#status;
    if (!warm && connected) reasons.push("history_not_warm");
    else if (!warm) reasons.push(refused ? `${source}_not_authorized` : `${source}_not_connected`);
    else if (!connected && Date.now() - this.#lostAt > NATS_GRACE_MS)
      reasons.push(refused ? `${source}_not_authorized` : `${source}_lost`);
    return reasons;
  }

  get stats() {
    return {
      epoch: this.#epoch,
      offset: this.#offset,
      messages_in: this.#messages,
      dropped: this.#dropped,
      cpu_percent: Math.round(this.#overload.cpuPercent * 10) / 10,
      rss_bytes: this.#overload.rssBytes,
      draining: this.#draining,
    };
  }
}

/** Checks before it is sent to thousands: a browser closes the connection on a text message that is not UTF-8. */
function isJson(body: Uint8Array): boolean {
  if (!isUtf8(body)) return false;
  try {
    JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
    return true;
  } catch {
    return false;
  }
}
