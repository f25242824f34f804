/**
 * How well a client keeps up: its throttle level, the messages that it missed, and the notices that it gets
 * of both.
 */

import type { Socket } from "node:net";
import { CLOSE, type ControlMessage, type ThrottleLevel } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import type { Message } from "../delivery/message.ts";
import type { DropReason } from "../delivery/tally.ts";
import { Missed } from "../ledger/missed.ts";
import type { ConnectionContext } from "./context.ts";
import { Progress } from "./progress.ts";
import { conflates, Throttle, type ThrottleSettings } from "./throttle.ts";

/** The part of a connection that Backpressure uses. */
export interface ThrottledClient {
  readonly id: string;
  readonly user: string | undefined;
  readonly address: string | undefined;
  readonly socket: Socket;
  control(message: ControlMessage): void;
  close(code: number, reason: string): void;
}

/** A client that takes bytes now and then is not closed before it has taken nothing for this time. */
const STALL_MS = 2000;
/** The same for a client that has taken nothing since sends began to fail. Covers a burst of messages. */
const BURST_MS = 30;
/**
 * Both times with the policy `conflate`. A client on a slow line is often full at the last level, because the
 * level drops nothing. What waits for the client is bounded, so there is time for a pause of the line.
 */
const CONFLATED_STALL_MS = 10_000;

/** A connection has a Backpressure only from its first unsent or dropped message until it has recovered. */
export class Backpressure {
  /** Messages that were not delivered since the client subscribed, and that can still be delivered. */
  readonly missed = new Missed();
  readonly #context: ConnectionContext;
  readonly #settings: ThrottleSettings;
  readonly #client: ThrottledClient;
  readonly #throttle: Throttle;
  readonly #progress: Progress;
  /** Sends fail beyond the last level: the connection is closed when the client takes nothing more. */
  #failing = false;

  constructor(context: ConnectionContext, settings: ThrottleSettings, client: ThrottledClient) {
    this.#context = context;
    this.#settings = settings;
    this.#client = client;
    const now = steadyClock.now();
    this.#throttle = new Throttle(settings, now);
    this.#progress = new Progress(client.socket, now);
  }

  get level(): ThrottleLevel {
    return this.#throttle.level;
  }
  /** At the last level almost nothing is sent, so a full buffer must be noticed without a send. */
  get atLastLevel(): boolean {
    return this.level === this.#settings.maxLevel;
  }

  passes(priority: number): boolean {
    return this.#throttle.passes(priority);
  }

  /** Counts a message that is dropped on purpose and takes no sequence. */
  drop(message: Message, reason: DropReason): void {
    this.#context.tally.countDropped(reason);
    const isFirst = this.level === 0 && this.missed.count === 0;
    this.missed.add(message.offset);
    // The connection may end before the dropped messages are announced. A client that then knew of no gap
    // would resume behind these messages. Level 1, because at level 0 the client would request the messages
    // at once, while the gateway is overloaded.
    if (isFirst) this.#announce("messages are dropped: request them at level 0", 1, message.offset - 1, 1);
  }

  /** A message with a sequence could not be sent. */
  unsent(message: Message): void {
    this.missed.unsent(message.offset);
    this.failed();
  }

  /** The client's buffer had no room for a message. */
  failed(): void {
    const before = this.level;
    const now = steadyClock.now();
    const outcome = this.#throttle.failed(now);
    if (outcome === "level-up") this.#changed(before);
    if (outcome === "close") this.#failing = true;
    this.#closeWhenStalled(now);
  }

  succeeded(): void {
    this.#throttle.succeeded();
    this.#progress.taken();
    this.#failing = false;
  }

  /** Beyond the last level, a client is closed because it takes nothing, not because it is given much. */
  #closeWhenStalled(now: number): void {
    this.#progress.sample(now);
    if (this.#client.socket.writableLength === 0) this.#failing = false;
    if (this.#failing && this.#progress.stalledMs(now) >= this.#patienceMs) {
      this.#client.close(CLOSE.policy, "too slow");
    }
  }

  /** A client is closed when it takes nothing for this time beyond the last level. */
  get #patienceMs(): number {
    if (conflates(this.#settings)) return CONFLATED_STALL_MS;
    return this.#progress.moved ? STALL_MS : BURST_MS;
  }

  #changed(before: ThrottleLevel): void {
    const { metrics, connectionLog } = this.#context;
    const { id: connection, user, address } = this.#client;
    const { level: to } = this;
    metrics.throttleTransitions.inc({ from_level: before, to_level: to });
    connectionLog.write("throttled", to, () => {
      const waiting = this.#client.socket.writableLength;
      return {
        connection,
        user,
        address,
        from: before,
        to,
        dropped: this.missed.count,
        waiting_bytes: waiting,
      };
    });
    this.announce(
      this.level > before ? "you read too slowly: less is sent" : "you keep up better: more is sent",
    );
    if (this.level === 0) this.missed.announced();
  }

  /** Sends the client its level, and the position from which it can get the messages that it was not sent. */
  announce(message: string): void {
    const { count, since } = this.missed;
    this.#announce(message, count, count === 0 ? this.#context.history.head : since);
  }

  /** Up to `count` messages after `offset` were lost to the whole gateway. */
  lost(offset: number, count: number): void {
    this.#announce("messages left the stream before the gateway could read them", count, offset);
  }

  #announce(message: string, dropped: number, offset: number, level: ThrottleLevel = this.level): void {
    this.#client.control({
      type: "throttle_update",
      level,
      rate_percent: this.#settings.percent[level],
      dropped,
      since: { epoch: this.#context.history.epoch, offset },
      message,
    });
  }

  /**
   * Lowers the level and reports dropped messages when it is time; called every second. Returns true when the
   * connection has recovered and this object is no longer needed.
   *
   * @param now on the steady clock, ms
   */
  checkRecovery(now: number): boolean {
    const { missed } = this;
    this.#closeWhenStalled(now);
    missed.prune(this.#context.history.floor);
    const before = this.level;
    if (this.#throttle.recover(now)) this.#changed(before);
    if (this.level === 0 && missed.count > 0) {
      // While the gateway still sheds load, a request for the dropped messages would only add to the load.
      if (missed.count === missed.countBefore) {
        this.announce("the gateway was overloaded and dropped messages");
        missed.announced();
      } else missed.countBefore = missed.count;
    }
    // A forgotten offset must be known until the history's floor is above it: then the history itself refuses
    // it.
    const forgotten = missed.forgotten > this.#context.history.floor;
    return this.#throttle.idle && missed.size === 0 && missed.count === 0 && !forgotten;
  }
}
