/**
 * Everything that exists once on a VM: the intake of the source, the limits, the health. The gateways serve
 * the clients.
 */

import { isUtf8 } from "node:buffer";
import { PRIORITIES } from "@odin-ws/protocol";
import type { Revocation } from "@odin-ws/protocol/revocation";
import type { Config } from "../config.ts";
import { Message } from "../delivery/message.ts";
import type { Admission, Closure } from "../entrance/admission.ts";
import { atMostEvery, type Log } from "../log.ts";
import { eventLabel, type Metrics } from "../metrics.ts";
import { PriorityLimiter, TokenBucket } from "../rate.ts";
import type { DictionaryBytes, Intake, RawMessage, SourceStatus } from "../source/source.ts";
import { DictionaryMaker } from "./dictionary-maker.ts";
import { Overload, type Usage } from "./overload.ts";

/** Serves the clients: the gateway of this process, or the pool of workers. */
export interface Downstream {
  begin(epoch: string, offset: number, sameUpTo: number): void;
  message(message: Message, shed: boolean): void;
  lastValues(messages: readonly Message[]): void;
  skip(offset: number): void;
  lose(offset: number): void;
  /** Refuses these tokens from now on, and ends their connections. */
  revoke(revocations: readonly Revocation[]): void;
  dictionary(dictionary: DictionaryBytes): void;
  setClosure(closure: Closure | undefined): void;
}

/** A lost source makes `/health` fail only after this time. */
const SOURCE_GRACE_MS = 10_000;
const WARN_INTERVAL_MS = 60_000;
/** How often a paused reader checks whether the CPU usage has fallen. */
const CPU_CHECK_MS = 250;
/** How often a paused reader checks whether the read rate allows a message. */
const RATE_CHECK_MS = 10;

export interface HubOptions {
  config: Config;
  admission: Admission;
  downstream: Downstream;
  metrics: Metrics;
  log: Log;
  /** Offers a dictionary to all gateways of the stream. Default: this gateway uses the dictionary at once. */
  offer?: ((dictionary: DictionaryBytes) => void) | undefined;
  /** Milliseconds of a clock that is never set. Default: performance.now. */
  now?: () => number;
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
  /** Undefined: no client gets the compact encoding. */
  readonly #maker: DictionaryMaker | undefined;
  readonly #warnOfJson: () => void;
  readonly #warnOfSubject: () => void;
  readonly #warnOfGap: () => void;
  readonly #now: () => number;
  readonly #log: Log;
  /** Subject of the last message. */
  #subject = "";
  /** Messages that left the stream unread and were not logged yet. */
  #gap = 0;
  /** When the source was lost, on the clock of `#now`. */
  #lostAt = 0;
  /** False while new clients are refused because the history is not warm. */
  #open = false;
  /** True once the history of this epoch was warm: from then on every message that is missed is a loss. */
  #complete = false;
  #epoch = "";
  #offset = 0;
  #messages = 0;
  #dropped = 0;
  #draining = false;
  #sampledAt: number;
  /** Closure that was last sent downstream. */
  #sentClosure: Closure | undefined = "history";

  constructor(options: HubOptions) {
    const { config, admission, downstream, metrics, log, now = () => performance.now() } = options;
    this.#config = config;
    this.#admission = admission;
    this.#metrics = metrics;
    this.#downstream = downstream;
    this.#log = log;
    this.#now = now;
    this.#sampledAt = now();
    this.#overload = new Overload({
      cpuLimit: config.WS_CPU_LIMIT,
      rejectThreshold: config.WS_CPU_REJECT_THRESHOLD,
      pauseThreshold: config.WS_CPU_PAUSE_THRESHOLD,
      memoryLimit: config.WS_MEMORY_LIMIT,
    });
    // A client that connected earlier would learn no epoch, and would get older messages as if they were
    // live.
    admission.setClosure("history", true);
    downstream.setClosure("history");
    const { WS_MAX_BROADCAST_RATE: broadcast, WS_MAX_NATS_RATE: read } = config;
    this.#broadcastLimit = broadcast === 0 ? undefined : new PriorityLimiter(broadcast, now());
    this.#readLimit = read === 0 ? undefined : new TokenBucket(read, Math.max(1, read / 10), now());
    const offer = options.offer ?? ((dictionary) => this.dictionary(dictionary));
    this.#maker = config.WS_COMPACT
      ? new DictionaryMaker({ previous: config.WS_COMPACT_PREVIOUS, offer, now })
      : undefined;
    const warnOf = (problem: string) =>
      atMostEvery(
        WARN_INTERVAL_MS,
        (count) => log.warn({ subject: this.#subject, count }, `${problem}: not delivered`),
        now,
      );
    this.#warnOfGap = atMostEvery(WARN_INTERVAL_MS, (times) => this.#logGap(times), now);
    this.#warnOfJson = warnOf("a payload is not JSON");
    this.#warnOfSubject = warnOf("a subject is not odin.token.SYMBOL.EVENT or odin.global.EVENT");
  }

  // ——— the source ———

  begin(epoch: string, offset: number, sameUpTo = 0): void {
    this.#epoch = epoch;
    this.#offset = offset;
    this.#complete = false;
    this.#setWarm(false);
    this.#downstream.begin(epoch, offset, sameUpTo);
  }

  message(raw: RawMessage): void {
    const { body, offset } = raw;
    this.#offset = offset;
    this.#messages++;
    this.#subject = raw.subject;
    if (!isJson(body)) return this.#drop(offset, "invalid_json", this.#warnOfJson);
    const message = Message.from(raw);
    if (message === undefined) return this.#drop(offset, "invalid_subject", this.#warnOfSubject);
    this.#metrics.streamMessages.inc({ event: eventLabel(message.event) });
    this.#metrics.busiestTokens.count(message.channel);
    // Messages that only warm the history are not delivered to anyone, so the broadcast rate does not apply
    // to them.
    const shed = this.#status.warm && this.#broadcastLimit?.passes(message.priority, this.#now()) === false;
    this.#downstream.message(message, shed);
    this.#maker?.take(message.event, message.compactText);
  }

  dictionary(dictionary: DictionaryBytes): void {
    this.#maker?.set(dictionary);
    if (this.#maker !== undefined) this.#downstream.dictionary(dictionary);
  }

  lastValues(raws: readonly RawMessage[]): void {
    const messages = raws.map((raw) => (isJson(raw.body) ? Message.from(raw) : undefined));
    this.#downstream.lastValues(messages.filter((message) => message !== undefined));
  }

  #drop(offset: number, reason: string, warn: () => void): void {
    this.#dropped++;
    this.#metrics.messagesDropped.inc({ reason, priority: PRIORITIES[1] });
    warn();
    this.#downstream.skip(offset);
  }

  lose(offset: number): void {
    const count = offset - this.#offset;
    this.#offset = offset;
    this.#downstream.lose(offset);
    // A hole in what a gateway reads at its start is older than the gateway.
    if (!this.#complete) return;
    this.#dropped += count;
    this.#gap += count;
    this.#metrics.messagesDropped.inc({ reason: "stream_gap", priority: PRIORITIES[1] }, count);
    this.#warnOfGap();
  }

  #logGap(times: number): void {
    const fields = { offset: this.#offset, count: this.#gap, times };
    this.#gap = 0;
    this.#log.warn(fields, "messages left the stream before they could be read");
  }

  ready(): Promise<void> | undefined {
    if (!this.#status.warm) return undefined;
    if (this.#overload.pauses) return this.#until(() => !this.#overload.pauses, CPU_CHECK_MS);
    const now = this.#now();
    if (this.#readLimit === undefined || this.#readLimit.take(now)) return undefined;
    const limit = this.#readLimit;
    return this.#until(() => limit.take(this.#now()), RATE_CHECK_MS);
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
    if (before && !this.#status.connected) this.#lostAt = this.#now();
    this.#metrics.natsConnected.set(this.#status.connected ? 1 : 0);
    this.#metrics.natsLag.set(this.#status.lag);
    this.#setWarm(this.#status.warm);
  }

  /** While the history is not warm, all new clients are refused. */
  #setWarm(warm: boolean): void {
    this.#status.warm = warm;
    if (warm === this.#open) return;
    this.#open = warm;
    if (warm) this.#complete = true;
    this.#admission.setClosure("history", !warm);
    this.#updateClosure();
  }

  // ——— limits and health ———

  /** Takes the usage of all processes, once a second, and updates the limits that depend on it. */
  sample(processes: ReadonlyMap<number, Usage>): void {
    const now = this.#now();
    const overload = this.#overload;
    overload.sample(processes, now - this.#sampledAt);
    this.#sampledAt = now;
    this.#admission.setClosure("cpu", overload.cpuRejects);
    this.#admission.setClosure("memory", overload.memoryRejects);
    this.#metrics.cpuUsage.set(overload.cpuPercent);
    this.#metrics.memoryUsage.set(overload.rssBytes);
    this.#metrics.capacityRatio.set(this.#admission.connections / this.#config.WS_MAX_CONNECTIONS);
    this.#metrics.natsPaused.set(overload.pauses ? 1 : 0);
    const { region } = this;
    this.#metrics.regionConnected.set(region?.connected === false ? 0 : 1);
    this.#metrics.regionLag.set(region?.lag_messages ?? 0);
    this.#metrics.natsLagSeconds.set(region?.lag_seconds ?? 0);
    this.#updateClosure();
  }

  /** From now on new connections are refused and `/health` fails. */
  startDraining(): void {
    this.#draining = true;
    this.#admission.setClosure("draining", true);
    this.#metrics.draining.set(1);
    this.#updateClosure();
  }

  #updateClosure(): void {
    // The admission refuses each client that finds no seat. Every other closure is sent to the gateways,
    // which then refuse clients before any expensive check.
    const { closure } = this.#admission;
    const sent = closure === "connections" ? undefined : closure;
    if (sent === this.#sentClosure) return;
    this.#sentClosure = sent;
    this.#log.info(
      { closure: sent ?? "none" },
      sent === undefined ? "new connections are accepted" : "new connections are refused",
    );
    this.#downstream.setClosure(sent);
  }

  /** Reasons for which `/health` fails; empty when new connections are wanted. */
  get unhealthy(): string[] {
    const reasons: string[] = [];
    const { closure } = this.#admission;
    if (closure !== undefined && closure !== "history") reasons.push(closure);
    const source = this.#config.SOURCE === "jetstream" ? "nats" : this.#config.SOURCE;
    const { connected, refused, warm } = this.#status;
    if (!warm && connected) reasons.push("history_not_warm");
    else if (!warm) reasons.push(refused ? `${source}_not_authorized` : `${source}_not_connected`);
    else if (!connected && this.#now() - this.#lostAt > SOURCE_GRACE_MS)
      reasons.push(refused ? `${source}_not_authorized` : `${source}_lost`);
    return reasons;
  }

  /**
   * The way from the home region to this one, for `/health`; undefined in the home region. A region that is
   * cut off serves what it has, so `/health` does not fail.
   */
  get region() {
    const { region } = this.#status;
    if (region === undefined) return undefined;
    const { home, connected, lagMessages, inStepAt } = region;
    const seconds = Math.max(0, this.#now() - inStepAt) / 1000;
    return { home, connected, lag_messages: lagMessages, lag_seconds: Math.round(seconds * 10) / 10 };
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

/** Also checks for UTF-8, because a browser closes the connection on a text message that is not UTF-8. */
function isJson(body: Uint8Array): boolean {
  if (!isUtf8(body)) return false;
  try {
    JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
    return true;
  } catch {
    return false;
  }
}
