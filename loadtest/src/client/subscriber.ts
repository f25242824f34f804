/**
 * One client as PROTOCOL.md describes it: it connects, subscribes, requests what it missed, reconnects and
 * resumes.
 */

import { ConnectTimer } from "./connect-timer.ts";
import type { DeliveryTracker } from "./delivery-tracker.ts";
import { MessageHandler } from "./message-handler.ts";
import { ReconnectDelay } from "./reconnect-delay.ts";
import type { SubscriberContext, SubscriberOptions } from "./subscriber-context.ts";
import { type ConnectionEnd, WsConnection } from "./ws-connection.ts";

export class Subscriber {
  readonly options: SubscriberOptions;
  /** `away`: waits for the next attempt. `opening`: until the subscription is confirmed. */
  state: "away" | "opening" | "ready" | "stopped" = "away";
  /** A slow client's connection was ended by the gateway. */
  closedAsSlow = false;
  readonly #context: SubscriberContext;
  readonly #handler: MessageHandler;
  readonly #connectTimer: ConnectTimer;
  readonly #delay = new ReconnectDelay();
  #connection: WsConnection | undefined;
  #reconnectTimer: NodeJS.Timeout | undefined;

  constructor(options: SubscriberOptions, context: SubscriberContext) {
    this.options = options;
    this.#context = context;
    this.#connectTimer = new ConnectTimer(context.stats);
    this.#handler = new MessageHandler(options, context, {
      send: (message) => this.#connection?.send(message),
      subscribed: () => this.#onSubscribed(),
      reconnectWindow: (window) => this.#delay.setWindow(window),
    });
  }

  get tracker(): DeliveryTracker {
    return this.#handler.tracker;
  }

  /** True once the gateway has throttled this client. */
  get throttled(): boolean {
    return this.#handler.throttled;
  }

  /** True while the socket is open, also during the closing handshake. */
  get connected(): boolean {
    return this.#connection?.ended === false;
  }

  /**
   * @param dueAt when the schedule wanted this connection, µs: a delay of this process counts as time to
   * connect
   */
  connect(dueAt: number): void {
    this.#connectTimer.start(dueAt);
    this.#open();
  }

  /** Breaks the connection. The client reconnects as after any break. */
  disconnect(): void {
    if (this.state !== "ready") return;
    this.#connection?.abort();
    this.#reconnect();
  }

  set reading(reading: boolean) {
    if (this.#connection !== undefined) this.#connection.reading = reading;
  }

  sendHeartbeat(): void {
    if (this.state === "ready") this.#handler.sendHeartbeat();
  }

  /** Ends the run for this client: `settled` turns true once everything up to `upTo` has arrived. */
  settle(upTo: number): void {
    this.#handler.settle(upTo);
  }

  /** True when everything that is due at the end of the run has arrived. */
  get settled(): boolean {
    return this.state === "ready" && this.#handler.settled;
  }

  /** Everything up to this offset has arrived, as of the last heartbeat. */
  get settledOffset(): number | undefined {
    return this.#handler.settledOffset;
  }

  /** Ends the subscription, so that nothing more arrives. */
  unsubscribe(): void {
    if (this.state === "ready")
      this.#connection?.send({ type: "unsubscribe", channels: this.options.channels });
  }

  /**
   * Records the time that this client has waited so far; otherwise only successful clients would be measured.
   */
  recordWait(): void {
    if (this.state !== "ready") this.#connectTimer.stop(this.tracker.started ? "resume" : "connect");
  }

  /** Ends the client: an established connection with a closing handshake, any other at once. */
  stop(): void {
    clearTimeout(this.#reconnectTimer);
    this.#connectTimer.cancel();
    if (this.state === "opening") this.#connection?.abort();
    else this.#connection?.close();
    this.state = "stopped";
  }

  /** Breaks a connection whose closing handshake takes too long. */
  abort(): void {
    this.#connection?.abort();
  }

  #open(): void {
    this.state = "opening";
    this.#connection = new WsConnection(this.options, {
      text: (bytes, start, end) => this.#handler.handle(bytes, start, end),
      ended: (end) => this.#onEnded(end),
    });
  }

  #onSubscribed(): void {
    this.#connectTimer.stop(this.tracker.started ? "resume" : "connect");
    this.state = "ready";
    this.#delay.succeeded();
  }

  #onEnded({ reason, retryAfterMs }: ConnectionEnd): void {
    const { stats, breaksWanted } = this.#context;
    if (this.state === "stopped") return;
    if (this.state === "opening") {
      stats.refused(reason);
      return this.#openAfter(this.#delay.afterRefusal(retryAfterMs));
    }
    stats.ended(reason);
    // A slow client often sees no close code: the close frame waits behind data that the client does not
    // read.
    if (this.options.slow) this.closedAsSlow = true;
    else if (!breaksWanted) stats.fault("ended", reason);
    this.#reconnect();
  }

  #reconnect(): void {
    this.#connectTimer.start();
    this.#openAfter(this.#context.atOnce ? 0 : this.#delay.afterBreak());
  }

  #openAfter(ms: number): void {
    this.state = "away";
    this.#handler.disconnected();
    this.#reconnectTimer = setTimeout(() => this.#open(), ms);
  }
}
