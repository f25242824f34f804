/**
 * The publisher that a backend uses: accepts events, queues them, and sends them until JetStream has stored
 * them.
 */

import { type EncodedEvent, encodeEvent, nameOf } from "./encode.ts";
import {
  EventRefusedError,
  InvalidEventError,
  NotStoredError,
  PublisherClosedError,
  QueueFullError,
} from "./errors.ts";
import type { EventInput } from "./events.ts";
import { CredentialsWatch } from "./nats/credentials.ts";
import { type Ack, type Failure, messageOf, NatsLink } from "./nats/link.ts";
import { type PublisherOptions, readOptions, type Settings } from "./options.ts";
import { FlushWaiters } from "./outbox/flush.ts";
import { Outbox, type Parcel } from "./outbox/outbox.ts";
import { SendPause } from "./send-pause.ts";
import { StatusReporter } from "./status.ts";

/** The place of an event in the stream. */
export interface Published {
  /** Stream sequence, the `offset` of its envelope. */
  offset: number;
  /**
   * The stream had stored an event with this id before: the event was sent again because its acknowledgement
   * was lost, or it was published twice.
   */
  duplicate: boolean;
}

/** Counts since the start, and the present state. */
export interface PublisherStats {
  connected: boolean;
  accepted: number;
  stored: number;
  /** Stored events that the stream had stored before. */
  duplicates: number;
  /** Events that were accepted and that NATS then refused. */
  refused: number;
  /** Events that were not accepted because the queue was full. */
  turnedAway: number;
  /** How often an event was sent again. */
  sentAgain: number;
  queuedEvents: number;
  queuedBytes: number;
  /** Queued events that were sent and have no acknowledgement yet. */
  inFlight: number;
  /**
   * When the user of the credentials file, or the token of the URLs, expires: seconds since 1970. Undefined:
   * never, or the login has no expiry that can be read.
   */
  credentialsEnd: number | undefined;
}

interface Entry extends Parcel, EncodedEvent {
  resolve(published: Published): void;
  reject(error: Error): void;
}

const MAX_BYTES_IN_FLIGHT = 4_194_304; // 4 MiB
const CLOSE_TIMEOUT_MS = 10_000; // 10 s
/** Longest time of a timer. With a longer time, also with Infinity, Node calls back after 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export class Publisher {
  readonly #settings: Settings;
  readonly #link: NatsLink;
  readonly #outbox: Outbox<Entry>;
  readonly #status: StatusReporter;
  readonly #credentials: CredentialsWatch;
  readonly #ackTimer: NodeJS.Timeout;
  readonly #waiters = new FlushWaiters();
  readonly #counts = { accepted: 0, stored: 0, duplicates: 0, refused: 0, turnedAway: 0, sentAgain: 0 };
  #lastKey = 0;
  readonly #pause = new SendPause(() => this.#send());
  #isEnsuringStream = false;
  #downReason = "not connected to NATS yet";
  #closed: Promise<void> | undefined;

  /** Starts to connect, and does not wait for the connection. See `connectPublisher`. */
  constructor(options: PublisherOptions = {}) {
    this.#settings = readOptions(options);
    this.#status = new StatusReporter(this.#settings.onStatus);
    this.#credentials = new CredentialsWatch({
      credentialsFile: this.#settings.credentialsFile,
      token: this.#settings.login.token,
      warn: (message) => this.#status.warn(message),
    });
    this.#outbox = new Outbox({ events: this.#settings.maxInFlight, bytes: MAX_BYTES_IN_FLIGHT });
    this.#link = new NatsLink(this.#settings, {
      up: (server) => this.#onUp(server),
      down: (reason) => this.#onDown(reason),
      stored: (key, ack) => this.#onStored(key, ack),
      failed: (key, failure) => this.#onFailed(key, failure),
      denied: (subject, reason) => this.#onDenied(subject, reason),
      problem: (message) => this.#status.report("problem", message),
    });
    const { ackTimeoutMs } = this.#settings;
    this.#ackTimer = setInterval(
      () => this.#onAckTimer(),
      Math.min(Math.ceil(ackTimeoutMs / 4), MAX_TIMER_MS),
    ).unref();
  }

  /**
   * Accepts or rejects an event at once. The promise of an accepted event resolves when JetStream has stored
   * the event.
   *
   * An accepted event is sent until it is stored, also when the connection is lost or the stream is missing
   * for a while. Events of one subject are stored in the order in which they were published.
   *
   * @returns a promise that rejects with InvalidEventError, QueueFullError or PublisherClosedError when the
   * event was not accepted, with EventRefusedError when NATS will never take the event, and with
   * PublisherClosedError when `close()` gave the event up.
   */
  publish(event: EventInput): Promise<Published> {
    let encoded: EncodedEvent;
    try {
      encoded = encodeEvent(event);
      this.#admit(event, encoded);
    } catch (error) {
      return Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Published>();
    this.#counts.accepted++;
    this.#outbox.add({ ...encoded, key: ++this.#lastKey, resolve, reject });
    this.#send();
    return promise;
  }

  #admit(event: EventInput, { body, bytes }: EncodedEvent): void {
    if (this.#closed !== undefined) {
      throw new PublisherClosedError(nameOf(event), "was not accepted: close() has been called");
    }
    const { maxQueueEvents, maxQueueBytes } = this.#settings;
    const limit = Math.min(maxQueueBytes, this.#link.maxPayload ?? maxQueueBytes);
    if (bytes > limit) {
      throw new InvalidEventError(nameOf(event), [
        `data: has ${body.length} bytes of JSON, but an event with its headers must not exceed ${limit} bytes`,
      ]);
    }
    const { events: queuedEvents, bytes: queuedBytes } = this.#outbox;
    if (queuedEvents < maxQueueEvents && queuedBytes + bytes <= maxQueueBytes) return;
    this.#counts.turnedAway++;
    throw new QueueFullError(
      nameOf(event),
      { queuedEvents, queuedBytes, maxQueueEvents, maxQueueBytes },
      this.#link.isUp ? "events come faster than NATS acknowledges them" : this.#downReason,
    );
  }

  /** Resolves when every event accepted so far has been stored, refused or given up. */
  flush(): Promise<void> {
    return this.#waiters.wait(this.#lastKey, this.#outbox.events);
  }

  /**
   * Accepts no more events, waits until all accepted events are stored, and closes the connection.
   *
   * @param timeoutMs longest time to wait, milliseconds. Default 10 s.
   * @returns a promise that rejects with NotStoredError when the time was not enough. The connection is
   * closed in any case.
   */
  close({ timeoutMs = CLOSE_TIMEOUT_MS }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#shutDown(timeoutMs);
    return this.#closed;
  }

  async #shutDown(timeoutMs: number): Promise<void> {
    const { promise: timeIsUp, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.min(timeoutMs, MAX_TIMER_MS));
    await Promise.race([this.flush(), timeIsUp]);
    clearTimeout(timer);
    clearInterval(this.#ackTimer);
    this.#pause.holdForever();
    const why = this.#link.isUp ? this.#status.last || "NATS did not acknowledge them" : this.#downReason;
    const unanswered = this.#outbox.inFlight;
    const left = this.#outbox.clear();
    for (const entry of left) {
      entry.reject(
        new PublisherClosedError(entry.messageId, `is not known to be stored: close() gave up; ${why}`),
      );
      this.#waiters.settled(entry.key);
    }
    await this.#link.close();
    if (left.length > 0) throw new NotStoredError(left.length, unanswered, timeoutMs, why);
  }

  stats(): PublisherStats {
    const { events, bytes, inFlight } = this.#outbox;
    const connected = this.#link.isUp;
    const { end: credentialsEnd } = this.#credentials;
    const queue = { queuedEvents: events, queuedBytes: bytes, inFlight };
    return { connected, ...this.#counts, ...queue, credentialsEnd };
  }

  #send(): void {
    if (this.#pause.isHolding || !this.#link.isUp) return;
    const now = performance.now();
    for (let entry = this.#outbox.take(now); entry !== undefined; entry = this.#outbox.take(now)) {
      this.#link.send(entry.key, entry);
    }
  }

  #onUp(server: string): void {
    const again = this.#outbox.allAgain();
    this.#counts.sentAgain += again;
    this.#status.report(
      "connected",
      `connected to NATS at ${server}${again > 0 ? `; ${again} events are sent again` : ""}`,
    );
    this.#send();
  }

  #onDown(reason: string): void {
    this.#downReason = `not connected to NATS at ${this.#settings.servers.join(", ")}: ${reason}`;
    this.#status.report("disconnected", this.#downReason);
  }

  #onStored(key: number, ack: Ack): void {
    const entry = this.#outbox.settle(key);
    if (entry === undefined) return;
    this.#pause.reset();
    this.#counts.stored++;
    const duplicate = ack.duplicate === true;
    if (duplicate) this.#counts.duplicates++;
    const { name } = this.#settings.stream;
    if (ack.stream !== name) {
      this.#status.report(
        "problem",
        `events arrive in stream ${ack.stream} instead of ${name}, because ${ack.stream} captures their subjects`,
      );
    }
    entry.resolve({ offset: ack.seq, duplicate });
    this.#waiters.settled(key);
    this.#send();
  }

  #refuse(key: number, reason: string): void {
    const entry = this.#outbox.settle(key);
    if (entry === undefined) return;
    this.#counts.refused++;
    entry.reject(new EventRefusedError(entry.messageId, reason));
    this.#waiters.settled(key);
    this.#send();
  }

  #onFailed(key: number, { kind, reason }: Failure): void {
    if (kind === "refused") this.#refuse(key, reason);
    else if (this.#outbox.again(key)) {
      this.#counts.sentAgain++;
      this.#pauseFor(kind, reason);
    }
  }

  #pauseFor(kind: "missing" | "busy", reason: string): void {
    if (!this.#pause.start()) return;
    const { createStream, stream } = this.#settings;
    if (kind === "busy") this.#status.report("retrying", `the stream cannot take events now: ${reason}`);
    else if (createStream) void this.#ensureStream();
    else
      this.#status.report(
        "retrying",
        `events wait for a gateway to create stream ${stream.name} (or set createStream)`,
      );
  }

  // Sending continues meanwhile: a cluster without a leader does not answer this request for seconds.
  async #ensureStream(): Promise<void> {
    if (this.#isEnsuringStream) return;
    this.#isEnsuringStream = true;
    const { name } = this.#settings.stream;
    try {
      const { created, subjects } = await this.#link.ensureStream();
      if (created) {
        this.#status.report("stream_created", `created stream ${name}`);
        if (this.#outbox.events > 0) this.#pause.end();
      } else if (this.#pause.isRepeated) {
        // After a single pause, a gateway may just have created the stream.
        this.#status.report("retrying", `stream ${name} takes no event: it captures ${subjects.join(", ")}`);
      }
    } catch (error) {
      if (this.#link.isUp)
        this.#status.report(
          "retrying",
          `no stream takes the events, and ${name} can be neither found nor created: ${messageOf(error)}`,
        );
    }
    this.#isEnsuringStream = false;
  }

  #onDenied(subject: string, reason: string): void {
    const entry = this.#outbox.inFlightOn(subject);
    if (entry !== undefined) this.#refuse(entry.key, reason);
    else this.#status.report("problem", reason);
  }

  #onAckTimer(): void {
    this.#credentials.check();
    if (!this.#link.isUp) return;
    const { ackTimeoutMs } = this.#settings;
    const again = this.#outbox.againIfSentBefore(performance.now() - ackTimeoutMs);
    if (again === 0) return;
    this.#counts.sentAgain += again;
    this.#status.report(
      "retrying",
      `NATS did not acknowledge events within ${ackTimeoutMs} ms; these events are sent again`,
    );
    this.#send();
  }
}

/**
 * Returns a publisher, which connects to NATS in the background and reconnects forever. The publisher accepts
 * events at once: while NATS is not connected, the queue holds them up to its limits.
 *
 * @throws InvalidOptionsError
 */
export function connectPublisher(options: PublisherOptions = {}): Publisher {
  return new Publisher(options);
}
