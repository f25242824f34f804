/** One client: its subscriptions, the messages that it was sent, and how well it keeps up. */

import type { Socket } from "node:net";
import { CLOSE, type ControlMessage, type ThrottleLevel } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import { textFrame } from "../delivery/frame.ts";
import type { Message } from "../delivery/message.ts";
import type { LimitedDelivery, Subscriber, Topic } from "../delivery/topic.ts";
import type { ClientSocket, Ending } from "../entrance/client-socket.ts";
import type { Missed } from "../ledger/missed.ts";
import { Backpressure, type ThrottledClient } from "./backpressure.ts";
import { CatchUpQueue, type CatchUpTarget, type Outgoing, type Resent } from "./catch-up-queue.ts";
import { type ConflatedClient, Conflation } from "./conflation.ts";
import { type Claims, type ConnectionOptions, NO_CLAIMS } from "./connection-options.ts";
import type { ConnectionContext, Degraded } from "./context.ts";
import { Intake } from "./intake.ts";
import { Liveness, type LivenessTarget } from "./liveness.ts";
import { Outbox } from "./outbox.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { conflates, type ThrottleSettings } from "./throttle.ts";

export class Connection
  implements Subscriber, Degraded, ThrottledClient, LivenessTarget, CatchUpTarget, ConflatedClient
{
  readonly id: string;
  /** Claim `sub`; undefined without authentication. */
  readonly user: string | undefined;
  readonly ws: ClientSocket;
  /** The client's address as log lines show it. */
  readonly address: string | undefined;
  /** Time of the upgrade on the steady clock, seconds. */
  readonly openedAt: number;
  claims: Claims;
  readonly socket: Socket;
  readonly #context: ConnectionContext;
  readonly #throttleSettings: ThrottleSettings;
  readonly #intake: Intake;
  readonly #outbox: Outbox;
  readonly #liveness: Liveness;
  #closing = false;
  #backpressure: Backpressure | undefined;
  #catchUp: CatchUpQueue | undefined;
  /**
   * Exists from the first message that had to wait with the policy `conflate` until what was left out has
   * left the history.
   */
  #conflation: Conflation | undefined;

  constructor(context: ConnectionContext, options: ConnectionOptions) {
    const { pingSeconds } = context.limits;
    this.#context = context;
    this.id = options.id;
    this.ws = options.ws;
    this.socket = options.socket;
    this.user = options.identity?.user;
    this.address = options.address;
    this.claims = options.identity ?? NO_CLAIMS;
    this.#throttleSettings = options.throttle;
    this.#intake = new Intake(context, this);
    this.#outbox = new Outbox(context, {
      socket: options.socket,
      deflateWindowBits: options.ws.deflateWindowBits,
      dictionaries: options.dictionaries,
    });
    this.openedAt = options.second;
    this.#liveness = new Liveness(this, {
      firstPingAt: options.second + (options.firstPing ?? pingSeconds),
      pingSeconds,
      expiresAt: this.claims.expiresAt,
    });
  }

  /** Sequence of the last envelope. */
  get seq(): number {
    return this.#outbox.seq;
  }
  /** Messages that were delivered, without repetitions. */
  get deliveries(): number {
    return this.#outbox.deliveries;
  }
  /** How the envelopes of this connection are encoded. */
  get encoding(): "compact" | "json" {
    return this.#outbox.encoding;
  }
  get subscriptions(): Subscriptions {
    return this.#intake.subscriptions;
  }
  get closing(): boolean {
    return this.#closing;
  }
  get level(): ThrottleLevel {
    return this.#backpressure?.level ?? 0;
  }

  // ——— delivery ———

  /**
   * `live`: the message comes at once, so that its latency counts. `complete`: the client has been sent all
   * earlier messages of the channel, as far as this connection knows.
   */
  deliver(message: Message, live = true, complete = live): boolean {
    if (this.#closing || !this.#intake.takes(message)) return false;
    if (this.#conflation?.waits) return this.#conflate(message);
    if (this.#backpressure !== undefined && !this.#backpressure.passes(message.priority)) {
      this.#outbox.incompleteTo(message.offset);
      this.#backpressure.drop(message, "throttled");
      const full = this.#catchUp?.full === true || !this.#outbox.hasRoom(message.bytes);
      if (full && this.#backpressure.atLastLevel) this.#backpressure.failed();
      return false;
    }
    if (this.#catchUp !== undefined) {
      const conflating = conflates(this.#throttleSettings);
      if (!this.#catchUp.addLive(message, conflating)) {
        if (conflating) return this.#conflate(message);
        const backpressure = this.#startBackpressure();
        backpressure.drop(message, "throttled");
        backpressure.failed();
      } else this.#markSent(message);
      return false;
    }
    const full = !this.#outbox.hasRoom(message.bytes);
    const conflating = full && conflates(this.#throttleSettings);
    if (conflating && this.socket.writableNeedDrain) return this.#conflate(message);
    const seq = this.#outbox.number(message);
    this.#markSent(message);
    if (full && !conflating) {
      this.#outbox.leaveUnsent(message);
      this.#startBackpressure().unsent(message);
      return false;
    }
    this.#outbox.send(message, seq, live, complete);
    this.#backpressure?.succeeded();
    return true;
  }

  /** Lets a message wait as the newest one of its channel. */
  #conflate(message: Message): false {
    this.#outbox.incompleteTo(message.offset);
    const backpressure = this.#startBackpressure();
    this.#conflation ??= new Conflation(this.#context, this);
    if (!this.#conflation.add(message)) backpressure.drop(message, "throttled");
    // Counts also when there is room for this message by now: the client takes too little for those before.
    if (this.socket.writableNeedDrain) backpressure.failed();
    return false;
  }

  limited(message: Message, topic: Topic, how: LimitedDelivery): boolean {
    if (!this.#intake.takesLimited(message, topic)) return false;
    if (how === "shed") {
      this.shed(message);
      return false;
    }
    return this.deliver(message, how === "live", false);
  }

  #markSent({ offset }: Message): void {
    this.#intake.markSent(offset);
    this.#conflation?.markSent(offset);
  }

  /** A message that waited was left out, because its channel is no longer subscribed. */
  leftOut({ offset }: Message): void {
    this.#intake.unmark(offset);
    this.#conflation?.unmark(offset);
  }

  /** Drops a message because the gateway sheds load: nobody gets it now. */
  shed(message: Message): void {
    if (this.#closing || !this.#intake.takes(message)) return;
    this.#outbox.incompleteTo(message.offset);
    this.#startBackpressure().drop(message, "shed");
  }

  // ——— requests of the client ———

  /**
   * Adds channels and patterns in short form. Their messages after the offset `from` will be delivered.
   *
   * @param intervalMs time between two messages of a channel; 0: every message is delivered
   */
  subscribe(channels: readonly string[], from: number, intervalMs = 0): void {
    this.#intake.subscribe(channels, from, intervalMs);
    this.#catchUp?.subscriptionsChanged();
    this.#outbox.incompleteTo(Math.max(from, this.#context.history.head));
  }

  /**
   * Delivers the messages that wait because of a rate. Must be called before the subscriptions change: then
   * another topic may bring the next message of a channel.
   */
  deliverWaiting(): void {
    if (this.#closing) return;
    for (const message of this.#intake.takeWaiting()) {
      this.deliver(message, false);
      this.#context.tally.flush(message);
    }
  }

  /** Offset up to which this connection was sent what its channels carried, as far as its rates allow. */
  get completeUpTo(): number {
    let complete = this.missed?.completeUpTo ?? this.#context.history.head;
    if (this.#conflation !== undefined) complete = Math.min(complete, this.#conflation.firstOffset - 1);
    return this.#intake.belowWaiting(complete);
  }

  /** Removes the channels for which `unwanted` is true. */
  unsubscribe(unwanted: (channel: string) => boolean): void {
    this.deliverWaiting();
    if (!this.#intake.unsubscribe(unwanted)) return;
    this.#catchUp?.subscriptionsChanged(true);
    this.#conflation?.retain(this.subscriptions.deliveredFilter());
  }

  /**
   * Sends a control message in this turn, with everything that waits to be written, even when messages wait
   * in the catch-up queue. Returns its bytes.
   */
  control(message: ControlMessage): number {
    if (this.#closing) return 0;
    const frame = textFrame(JSON.stringify(message));
    if (!this.#outbox.sendAnswer(frame)) this.close(CLOSE.policy, "answers are not read");
    return frame.length;
  }

  /** Answers a request, behind the answers to all earlier requests. The answer is created when it is sent. */
  answer(create: () => ControlMessage): void {
    if (this.#catchUp === undefined) this.control(create());
    else this.enqueue([create]);
  }

  /**
   * Returns the messages that wait for room, in order. The caller must send them before newer messages of
   * other channels: a client that reconnects asks for what follows its highest offset.
   */
  takeConflated(): Message[] {
    const messages = this.#conflation?.takeAll() ?? [];
    for (const message of messages) this.#markSent(message);
    return messages;
  }

  /**
   * Lets live messages and answers wait until `release`. Only while nothing is in the queue.
   *
   * @param before messages that are sent before what `release` brings
   */
  hold(before: readonly Message[] = []): void {
    this.#catchUp = new CatchUpQueue(this.#context, this);
    this.#catchUp.hold(before);
  }

  /** Sends these items, then everything that has waited since `hold`. */
  release(items: readonly Outgoing[]): void {
    this.#catchUp?.release(items);
    this.#catchUp?.start();
  }

  /**
   * Must be called for each message that a request sends because the connection lacks it. A message that took
   * a sequence but could not be sent is sent with that sequence, which fills the client's gap.
   */
  withOldSeq(message: Message): Message | Resent {
    // Before the message is sent: a later request must not send the message again.
    this.#markSent(message);
    const seq = this.missed?.markSent(message.offset) ? this.#outbox.seqOf(message) : undefined;
    if (seq === undefined) return message;
    this.#outbox.sendsUnsent();
    return { message, seq };
  }

  /**
   * Returns the envelopes of these sequences that are still in the buffer. They no longer count as missed.
   */
  takeForReplay(from: number, to: number): Resent[] {
    const found: Resent[] = [];
    const oldest = this.seq - this.#context.limits.replayBuffer + 1;
    for (let seq = Math.max(from, oldest); seq <= Math.min(to, this.seq); seq++) {
      const message = this.#outbox.at(seq);
      if (message === undefined) continue;
      if (this.missed?.markSent(message.offset)) this.#outbox.sendsUnsent();
      found.push({ message, seq });
    }
    return found;
  }

  /** True while an earlier answer is still being sent. */
  get busy(): boolean {
    return this.#catchUp !== undefined;
  }

  /** Calls a function once, when the answer that is being sent is complete. */
  afterCatchUp(callback: () => void): void {
    this.#catchUp?.onEnd(callback);
  }

  /** Sends messages and answers in order, as the socket takes them. Live messages wait behind them. */
  enqueue(items: readonly Outgoing[]): void {
    if (items.length === 0) return;
    const waiting = this.#catchUp !== undefined;
    this.#catchUp ??= new CatchUpQueue(this.#context, this);
    if (!this.#catchUp.add(items)) return this.close(CLOSE.policy, "answers are not read");
    if (!waiting) this.#catchUp.start();
  }

  sendMessage(message: Message, oldSeq?: number): number {
    this.#markSent(message);
    return this.#outbox.send(message, oldSeq ?? this.#outbox.number(message), false, false);
  }

  sendConflated(message: Message): number {
    this.#backpressure?.succeeded();
    return this.sendMessage(message);
  }

  /** Writes everything that waits to be written, now. */
  flush(): void {
    this.#outbox.flush();
  }

  caughtUp(): void {
    this.#catchUp = undefined;
    this.#outbox.incompleteTo(this.#context.history.head);
    this.#conflation?.start();
  }

  // ——— backpressure ———

  /** Messages that this connection subscribed to but was not sent, and that can still be sent. */
  get missed(): Missed | undefined {
    return this.#backpressure?.missed;
  }

  /** True when the message with this offset was not sent, although its channel is subscribed. */
  lacks(offset: number): boolean {
    return this.missed?.has(offset) === true || this.#conflation?.lacks(offset) === true;
  }

  #startBackpressure(): Backpressure {
    this.#context.degraded.add(this);
    this.#backpressure ??= new Backpressure(this.#context, this.#throttleSettings, this);
    return this.#backpressure;
  }

  /** Sends the client its level, and the position from which it can get the messages that it was not sent. */
  announce(message: string): void {
    this.#startBackpressure().announce(message);
  }

  /** Up to `count` messages after `offset` were lost to the whole gateway. */
  lost(offset: number, count: number): void {
    this.#startBackpressure().lost(offset, count);
  }

  checkRecovery(now: number): void {
    const remembers = this.#conflation?.forget() === false;
    if (this.#backpressure?.checkRecovery(now) === false || remembers) return;
    this.#backpressure = undefined;
    this.#conflation = undefined;
    this.#context.degraded.delete(this);
  }

  // ——— start and end ———

  /** Defines the dictionaries that the client has kept from an earlier connection. */
  refer(ids: ReadonlySet<string>): void {
    this.#outbox.refer(ids);
  }

  /** Starts pings and the check of the token's expiry. */
  open(): void {
    const second = Math.floor(steadyClock.now() / 1000);
    this.#context.wheel.schedule(this.#liveness, this.#liveness.nextVisit(second));
  }

  /** The client has sent something. */
  markAlive(): void {
    this.#liveness.markAlive();
  }

  ping(): void {
    this.#outbox.ping();
  }

  /**
   * Pings the client now. Resolves with whether the client gives a sign of life within this time; false when
   * the connection is closing.
   */
  async probe(waitMs: number): Promise<boolean> {
    return !this.#closing && (await this.#liveness.probe(waitMs));
  }

  /** Replaces the claims by those of a new token, which was accepted. */
  refresh(claims: Claims): void {
    if (this.#closing) return;
    this.claims = claims;
    this.#liveness.expiresAt = claims.expiresAt;
    this.open();
  }

  /** Another stream has replaced the stream that was read so far. */
  begin(): void {
    this.#intake.begin();
    this.#outbox.begin();
    this.#catchUp?.clearMessages();
    this.#endConflation();
    this.missed?.clear();
  }

  #endConflation(): void {
    this.#conflation?.end();
    this.#conflation = undefined;
  }

  /** Closes with a close code; nothing is sent after the close frame. */
  close(code: number, reason: string): void {
    if (this.#closing) return;
    // What waits and the close frame leave in one write.
    this.socket.cork();
    this.detach();
    this.ws.close(code, reason);
    this.socket.uncork();
  }

  /** How the connection ended. `code`: as ws reports it. */
  ending(code: number): Ending {
    return this.ws.ending(code);
  }

  /** Cuts the connection without a close frame. */
  terminate(reason: string): void {
    this.ws.cut(reason);
  }

  /** Writes what waits, and removes the connection from everything that would still send to the client. */
  detach(): void {
    this.#closing = true;
    this.#outbox.end();
    const { wheel, degraded } = this.#context;
    this.unsubscribe(() => true);
    wheel.cancel(this.#liveness);
    degraded.delete(this);
    this.#catchUp?.end();
    this.#endConflation();
    this.#backpressure = undefined;
  }
}
