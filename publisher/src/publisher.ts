/** What a backend publishes with. */

import { type EncodedEvent, encodeEvent, nameOf } from "./encode.ts";
import {
  EventRefusedError,
  InvalidEventError,
  NotStoredError,
  PublisherClosedError,
  QueueFullError,
} from "./errors.ts";
import type { EventInput } from "./events.ts";
import { type Ack, type Failure, messageOf, NatsLink } from "./nats/link.ts";
import { type PublisherOptions, readOptions, type Settings } from "./options.ts";
import { FlushWaiters } from "./outbox/flush.ts";
import { Outbox, type Parcel } from "./outbox/outbox.ts";
import { StatusTeller } from "./status.ts";

/** Where an event stands in the stream. */
export interface Published {
  /** Stream sequence, the `offset` of its envelope. */
  offset: number;
  /** The stream held it already: this event was sent again after an answer was lost, or published before with the same id. */
  duplicate: boolean;
}

/** Counts since the start, and the state now. */
export interface PublisherStats {
  connected: boolean;
  accepted: number;
  stored: number;
  /** Of the stored ones, those that the stream held already. */
  duplicates: number;
  /** Accepted, and then refused by NATS for good. */
  refused: number;
  /** Not accepted because the queue was full. */
  turnedAway: number;
  /** Sent once more, counted each time. */
  sentAgain: number;
  queuedEvents: number;
  queuedBytes: number;
  /** Of the queued ones, those that wait for their answer. */
  inFlight: number;
}

interface Entry extends Parcel, EncodedEvent {
  resolve(published: Published): void;
  reject(error: Error): void;
}

const BYTES_IN_FLIGHT = 4_194_304; // 4 MiB
const MIN_PAUSE = 50; // ms before sending again what the stream could not take
const MAX_PAUSE = 2_000; // ms
const CLOSE_TIMEOUT = 10_000; // 10 s

export class Publisher {
  readonly #settings: Settings;
  readonly #link: NatsLink;
  readonly #outbox: Outbox<Entry>;
  readonly #teller: StatusTeller;
  readonly #ackTimer: NodeJS.Timeout;
  readonly #waiters = new FlushWaiters();
  readonly #counts = { accepted: 0, stored: 0, duplicates: 0, refused: 0, turnedAway: 0, sentAgain: 0 };
  #lastKey = 0;
  #pause = MIN_PAUSE;
  #pauseTimer: NodeJS.Timeout | undefined;
  // Nothing is sent until what the stream could not take may be tried again.
  #holding = false;
  #ensuring = false;
  #downReason = "not connected to NATS yet";
  #closed: Promise<void> | undefined;

  /** Starts to connect, and returns at once. See `connectPublisher`. */
  constructor(options: PublisherOptions = {}) {
    this.#settings = readOptions(options);
    this.#teller = new StatusTeller(this.#settings.onStatus);
    this.#outbox = new Outbox({ events: this.#settings.maxInFlight, bytes: BYTES_IN_FLIGHT });
    this.#link = new NatsLink(this.#settings, {
      up: (server) => this.#onUp(server),
      down: (reason) => this.#onDown(reason),
      stored: (key, ack) => this.#onStored(key, ack),
      failed: (key, failure) => this.#onFailed(key, failure),
      denied: (subject, reason) => this.#onDenied(subject, reason),
      problem: (message) => this.#teller.tell("problem", message),
    });
    const { ackTimeoutMs } = this.#settings;
    this.#ackTimer = setInterval(() => this.#onAckTimer(), Math.ceil(ackTimeoutMs / 4)).unref();
  }

  /**
   * Accepts an event, or not, before it returns; the promise resolves once JetStream has stored it.
   *
   * What was accepted is sent until it is stored, through lost connections and a stream that is gone for a while. Events of
   * one subject are stored in the order in which they were published.
   *
   * @returns rejects with InvalidEventError, QueueFullError or PublisherClosedError (not accepted), EventRefusedError (NATS
   * will never take it), or PublisherClosedError (given up by `close()`).
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
        `data: ${body.length} bytes of JSON; with headers at most ${limit} bytes are possible`,
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

  /** Resolves when everything accepted so far is stored, refused or given up. */
  flush(): Promise<void> {
    return this.#waiters.wait(this.#lastKey, this.#outbox.events);
  }

  /**
   * Accepts nothing more, waits until everything accepted is stored, and ends the connection.
   *
   * @param timeoutMs time for that, milliseconds. Default 10 s.
   * @returns rejects with NotStoredError when the time was not enough; the connection is closed all the same.
   */
  close({ timeoutMs = CLOSE_TIMEOUT }: { timeoutMs?: number } = {}): Promise<void> {
    this.#closed ??= this.#shutDown(timeoutMs);
    return this.#closed;
  }

  async #shutDown(timeoutMs: number): Promise<void> {
    const { promise: timeIsUp, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([this.flush(), timeIsUp]);
    clearTimeout(timer);
    clearInterval(this.#ackTimer);
    clearTimeout(this.#pauseTimer);
    this.#holding = true;
    const why = this.#link.isUp ? this.#teller.last || "NATS did not acknowledge them" : this.#downReason;
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
    return { connected, ...this.#counts, queuedEvents: events, queuedBytes: bytes, inFlight };
  }

  #send(): void {
    if (this.#holding || !this.#link.isUp) return;
    const now = performance.now();
    for (let entry = this.#outbox.take(now); entry !== undefined; entry = this.#outbox.take(now)) {
      this.#link.send(entry.key, entry);
    }
  }

  #onUp(server: string): void {
    const again = this.#outbox.allAgain();
    this.#counts.sentAgain += again;
    this.#teller.tell(
      "connected",
      `connected to NATS at ${server}${again > 0 ? `; ${again} events are sent again` : ""}`,
    );
    this.#send();
  }

  #onDown(reason: string): void {
    this.#downReason = `not connected to NATS at ${this.#settings.servers.join(", ")}: ${reason}`;
    this.#teller.tell("disconnected", this.#downReason);
  }

  #onStored(key: number, ack: Ack): void {
    const entry = this.#outbox.settle(key);
    if (entry === undefined) return;
    this.#pause = MIN_PAUSE;
    this.#counts.stored++;
    const duplicate = ack.duplicate === true;
    if (duplicate) this.#counts.duplicates++;
    const { name } = this.#settings.stream;
    if (ack.stream !== name) {
      this.#teller.tell(
        "problem",
        `events arrive in stream ${ack.stream} instead of ${name}: it captures their subjects`,
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
    if (this.#holding) return;
    this.#holding = true;
    this.#pauseTimer = setTimeout(() => this.#resume(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, MAX_PAUSE);
    const { createStream, stream } = this.#settings;
    if (kind === "busy") this.#teller.tell("retrying", `the stream cannot take events now: ${reason}`);
    else if (createStream) void this.#ensureStream();
    else
      this.#teller.tell(
        "retrying",
        `events wait for a gateway to create stream ${stream.name} (or set createStream)`,
      );
  }

  #resume(): void {
    clearTimeout(this.#pauseTimer);
    this.#holding = false;
    this.#send();
  }

  // Beside the attempts to send, which go on: a cluster that has no leader yet does not answer this for seconds.
  async #ensureStream(): Promise<void> {
    if (this.#ensuring) return;
    this.#ensuring = true;
    const { name } = this.#settings.stream;
    try {
      const { created, subjects } = await this.#link.ensureStream();
      if (created) {
        this.#teller.tell("stream_created", `created stream ${name}`);
        if (this.#outbox.events > 0) this.#resume();
      } else if (this.#pause > 2 * MIN_PAUSE) {
        // The first time, a gateway may just have created it.
        this.#teller.tell("retrying", `stream ${name} takes no event: it captures ${subjects.join(", ")}`);
      }
    } catch (error) {
      if (this.#link.isUp)
        this.#teller.tell(
          "retrying",
          `no stream takes the events, and ${name} can be neither found nor created: ${messageOf(error)}`,
        );
    }
    this.#ensuring = false;
  }

  #onDenied(subject: string, reason: string): void {
    const entry = this.#outbox.inFlightOn(subject);
    if (entry !== undefined) this.#refuse(entry.key, reason);
    else this.#teller.tell("problem", reason);
  }

  #onAckTimer(): void {
    if (!this.#link.isUp) return;
    const { ackTimeoutMs } = this.#settings;
    const again = this.#outbox.againIfSentBefore(performance.now() - ackTimeoutMs);
    if (again === 0) return;
    this.#counts.sentAgain += again;
    this.#teller.tell(
      "retrying",
      `NATS did not acknowledge events within ${ackTimeoutMs} ms: they are sent again`,
    );
    this.#send();
  }
}

/**
 * Connects to NATS, in the background and for ever, and returns what to publish with at once: events are accepted up to the
 * queue's bounds while NATS is away.
 *
 * @throws InvalidOptionsError
 */
export function connectPublisher(options: PublisherOptions = {}): Publisher {
  return new Publisher(options);
}
