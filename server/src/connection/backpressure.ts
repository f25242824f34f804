/** How well a client keeps up: its throttle level, what it was not given, and what it is told of both. */

import { CLOSE, type ControlMessage, type ThrottleLevel } from "@odin-ws/protocol";
import type { Message } from "../delivery/message.ts";
import type { DropReason } from "../delivery/tally.ts";
import type { ConnectionContext } from "./context.ts";
import { Missed } from "./missed.ts";
import { Throttle, type ThrottleSettings } from "./throttle.ts";

/** What a Backpressure needs of its connection. */
export interface ThrottledClient {
  readonly id: string;
  readonly user: string | undefined;
  control(message: ControlMessage): void;
  close(code: number, reason: string): void;
}

/** A connection has one only from its first trouble on until that is over. */
export class Backpressure {
  /** What was not delivered since the client subscribed, and can still be. */
  readonly missed = new Missed();
  readonly #context: ConnectionContext;
  readonly #settings: ThrottleSettings;
  readonly #client: ThrottledClient;
  readonly #throttle: Throttle;

  constructor(context: ConnectionContext, settings: ThrottleSettings, client: ThrottledClient) {
    this.#context = context;
    this.#settings = settings;
    this.#client = client;
    this.#throttle = new Throttle(settings, Date.now());
  }

  get level(): ThrottleLevel {
    return this.#throttle.level;
  }
  /** At the last level hardly anything is sent any more, so that failing must be seen without sending. */
  get atLastLevel(): boolean {
    return this.level === this.#settings.maxLevel;
  }

  passes(priority: number): boolean {
    return this.#throttle.passes(priority);
  }

  /** A message is left out on purpose: it takes no sequence. */
  drop(message: Message, reason: DropReason): void {
    this.#context.tally.countDropped(reason);
    this.missed.add(message.offset);
  }

  /** A message with a sequence could not be sent. */
  unsent(message: Message): void {
    this.missed.unsent(message.offset);
    this.failed();
  }

  /** There was no room in the client's buffer. */
  failed(): void {
    const before = this.level;
    const outcome = this.#throttle.failed(Date.now());
    if (outcome === "level-up") this.#changed(before);
    if (outcome === "close") this.#client.close(CLOSE.policy, "too slow");
  }

  succeeded(): void {
    this.#throttle.succeeded();
  }

  #changed(before: ThrottleLevel): void {
    const { metrics, log } = this.#context;
    const { id, user } = this.#client;
    metrics.throttleTransitions.inc({ from_level: before, to_level: this.level });
    log.debug({ connection: id, user, from: before, to: this.level }, "throttle level changed");
    this.announce(
      this.level > before ? "you read too slowly: less is sent" : "you keep up better: more is sent",
    );
    if (this.level === 0) this.missed.announced();
  }

  /** Tells the client where it stands and from where on it can get what it was not sent. */
  announce(message: string): void {
    const { count, since } = this.missed;
    this.#announce(message, count, count === 0 ? this.#context.history.head : since);
  }

  /** Up to `count` messages after `offset` were lost to the whole gateway. */
  lost(offset: number, count: number): void {
    this.#announce("messages left the stream before the gateway could read them", count, offset);
  }

  #announce(message: string, dropped: number, offset: number): void {
    this.#client.control({
      type: "throttle_update",
      level: this.level,
      rate_percent: this.#throttle.ratePercent,
      dropped,
      since: { epoch: this.#context.history.epoch, offset },
      message,
    });
  }

  /** Looks what has changed with time, every second; true when there is nothing left to look after. `now` in milliseconds. */
  checkRecovery(now: number): boolean {
    const { missed } = this;
    missed.prune(this.#context.history.floor);
    const before = this.level;
    if (this.#throttle.recover(now)) this.#changed(before);
    if (this.level === 0 && missed.count > 0) {
      // Asking for it back while the gateway still sheds load would only add to the load.
      if (missed.count === missed.countBefore) {
        this.announce("the gateway was overloaded and left out messages");
        missed.announced();
      } else missed.countBefore = missed.count;
    }
    // What was forgotten must be known until it is below the history's floor, which answers for it then.
    const forgotten = missed.forgotten > this.#context.history.floor;
    return this.#throttle.idle && missed.size === 0 && missed.count === 0 && !forgotten;
  }
}
