/** One client: its subscriptions, the messages that it was sent, and how well it keeps up. */

import type { Socket } from "node:net";
import { CLOSE, type ControlMessage, PRIORITIES, type ThrottleLevel } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import { type SharedFrame, textFrame } from "../delivery/frame.ts";
import type { Message } from "../delivery/message.ts";
import type { LimitedDelivery, Subscriber, Topic } from "../delivery/topic.ts";
import type { Identity } from "../entrance/auth.ts";
import type { ClientSocket, Ending } from "../entrance/client-socket.ts";
import { Writer } from "../outgoing/writer.ts";
import { Backpressure, type ThrottledClient } from "./backpressure.ts";
import { CatchUpQueue, type CatchUpTarget, type Outgoing, type Resent } from "./catch-up-queue.ts";
import { CompactLine } from "./compact-line.ts";
import { type ConflatedClient, Conflation } from "./conflation.ts";
import type { ConnectionContext, Degraded } from "./context.ts";
import { Liveness, type LivenessTarget } from "./liveness.ts";
import type { Missed } from "./missed.ts";
import { ReplayRing } from "./replay-ring.ts";
import { SentOffsets } from "./sent-offsets.ts";
import { Subscriptions } from "./subscriptions.ts";
import { conflates, type ThrottleSettings } from "./throttle.ts";

/** Bytes of answers that may wait for a client that does not read, in multiples of the send buffer. */
const MAX_UNREAD_ANSWERS = 2;
const PING = Buffer.from([0x89, 0]);
const CRITICAL = PRIORITIES.indexOf("critical");

type Claims = Omit<Identity, "user">;
const NO_CLAIMS: Claims = { expiresAt: 0, channels: undefined };

export interface ConnectionOptions {
  id: string;
  ws: ClientSocket;
  socket: Socket;
  identity: Identity | undefined;
  /** The client's address as log lines show it. Default: none. */
  address?: string | undefined;
  throttle: ThrottleSettings;
  /**
   * Ids of the dictionaries that the client has kept; undefined: the client did not ask for the compact
   * encoding.
   */
  dictionaries?: ReadonlySet<string> | undefined;
  /** Time of the upgrade on the steady clock, seconds. */
  second: number;
  /** Seconds until the first ping. Default: the same as between two pings. */
  firstPing?: number;
}

export class Connection
  implements Subscriber, Degraded, ThrottledClient, LivenessTarget, CatchUpTarget, ConflatedClient
{
  readonly id: string;
  /** Claim `sub`; undefined without authentication. */
  readonly user: string | undefined;
  readonly ws: ClientSocket;
  readonly subscriptions = new Subscriptions();
  /** The client's address as log lines show it. */
  readonly address: string | undefined;
  /** Time of the upgrade on the steady clock, seconds. */
  readonly openedAt: number;
  claims: Claims;
  readonly socket: Socket;
  readonly #context: ConnectionContext;
  readonly #throttleSettings: ThrottleSettings;
  readonly #writer: Writer;
  readonly #ring: ReplayRing;
  readonly #liveness: Liveness;
  /** LZ77 window of this client's compression, in bits; 0 for no compression. */
  readonly #windowBits: number;
  /** Undefined: this client gets JSON. */
  readonly #compact: CompactLine | undefined;
  #closing = false;
  /** Envelopes that took a sequence and were not sent: the socket had no room for them. */
  #unsent = 0;
  /** Upper bound of the bytes of answers that wait for the client. */
  #unreadAnswers = 0;
  /**
   * Offset of the last message from the fan-out. Overlapping patterns bring the same message more than once.
   */
  #lastOffset = 0;
  /**
   * Offsets up to this one may already have been delivered by the client's previous gateway, which was ahead
   * of this one. Such messages of a resumed channel are skipped.
   */
  #resumedUpTo = 0;
  /** Messages of topics with a rate are delivered above this offset. All earlier ones were handled. */
  #limitedFrom = 0;
  #backpressure: Backpressure | undefined;
  #catchUp: CatchUpQueue | undefined;
  /**
   * Exists from the first message that had to wait with the policy `conflate` until what was left out has
   * left the history.
   */
  #conflation: Conflation | undefined;

  constructor(context: ConnectionContext, options: ConnectionOptions) {
    const { replayBuffer, pingSeconds } = context.limits;
    this.#context = context;
    this.id = options.id;
    this.ws = options.ws;
    this.socket = options.socket;
    this.user = options.identity?.user;
    this.address = options.address;
    this.claims = options.identity ?? NO_CLAIMS;
    this.#throttleSettings = options.throttle;
    this.#writer = new Writer(context.writes, options.socket);
    this.#ring = new ReplayRing(replayBuffer);
    this.#windowBits = options.ws.deflateWindowBits;
    const encoder = options.dictionaries && context.compact;
    this.#compact = encoder && new CompactLine(encoder, context.history.head);
    this.openedAt = options.second;
    this.#liveness = new Liveness(this, {
      firstPingAt: options.second + (options.firstPing ?? pingSeconds),
      pingSeconds,
      expiresAt: this.claims.expiresAt,
    });
  }

  /** Sequence of the last envelope. */
  get seq(): number {
    return this.#ring.last;
  }
  /** Messages that were delivered, without repetitions. */
  get deliveries(): number {
    return this.seq - this.#unsent;
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
    if (this.#isDuplicate(message)) return false;
    if (this.#conflation?.waits) return this.#conflate(message);
    if (this.#backpressure !== undefined && !this.#backpressure.passes(message.priority)) {
      this.#compact?.incompleteTo(message.offset);
      this.#backpressure.drop(message, "throttled");
      const full = this.#catchUp?.full === true || !this.#writer.hasRoom(message.bytes);
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
    const full = !this.#writer.hasRoom(message.bytes);
    const conflating = full && conflates(this.#throttleSettings);
    if (conflating && this.socket.writableNeedDrain) return this.#conflate(message);
    const seq = this.#ring.push(message);
    this.#markSent(message);
    if (full && !conflating) {
      // The message keeps its sequence and stays in the replay buffer: the client sees the gap and asks for
      // it.
      this.#compact?.incompleteTo(message.offset);
      this.#unsent++;
      this.#startBackpressure().unsent(message);
      return false;
    }
    this.#send(message, seq, live, complete);
    this.#backpressure?.succeeded();
    return true;
  }

  /** Lets a message wait as the newest one of its channel. */
  #conflate(message: Message): false {
    this.#compact?.incompleteTo(message.offset);
    const backpressure = this.#startBackpressure();
    this.#conflation ??= new Conflation(this.#context, this);
    if (!this.#conflation.add(message)) backpressure.drop(message, "throttled");
    // Counts also when there is room for this message by now: the client takes too little for those before.
    if (this.socket.writableNeedDrain) backpressure.failed();
    return false;
  }

  limited(message: Message, topic: Topic, how: LimitedDelivery): boolean {
    if (message.offset <= this.#limitedFrom || !this.subscriptions.brings(topic, message)) return false;
    if (how === "shed") {
      this.shed(message);
      return false;
    }
    return this.deliver(message, how === "live", false);
  }

  #markSent({ offset }: Message): void {
    this.subscriptions.sent?.add(offset, this.#context.history.floor);
    this.#conflation?.markSent(offset);
  }

  /** A message that waited was left out, because its channel is no longer subscribed. */
  leftOut({ offset }: Message): void {
    this.subscriptions.sent?.delete(offset);
    this.#conflation?.unmark(offset);
  }

  /** Drops a message because the gateway sheds load: nobody gets it now. */
  shed(message: Message): void {
    if (this.#isDuplicate(message)) return;
    this.#compact?.incompleteTo(message.offset);
    this.#startBackpressure().drop(message, "shed");
  }

  #isDuplicate(message: Message): boolean {
    if (this.#lastOffset === message.offset || this.#closing) return true;
    if (message.offset <= this.#resumedUpTo && !this.subscriptions.delivered(message)) return true;
    this.#lastOffset = message.offset;
    return false;
  }

  #send(message: Message, seq: number, live: boolean, complete = false): number {
    const frame =
      this.#compact === undefined ? message.frame(this.#windowBits) : this.#pack(message, complete);
    const urgent = message.priority === CRITICAL;
    const bytes = this.#writer.send(frame, seq, live ? message : undefined, urgent);
    this.#context.tally.countSent(bytes, frame.encoding);
    return bytes;
  }

  /** Returns the message in the compact encoding. Sends the frame's dictionary first, if necessary. */
  #pack(message: Message, complete: boolean): SharedFrame {
    const compact = this.#compact as CompactLine;
    const frame = compact.frame(message, complete);
    const definition = compact.definitionFor(frame);
    if (definition !== undefined) {
      this.#writer.sendWhole(definition);
      this.#context.tally.countDictionary(definition.length);
    }
    return frame;
  }

  // ——— requests of the client ———

  /**
   * Adds channels and patterns in short form. Their messages after the offset `from` will be delivered.
   *
   * @param intervalMs time between two messages of a channel; 0: every message is delivered
   */
  subscribe(channels: readonly string[], from: number, intervalMs = 0): void {
    const { fanout, history } = this.#context;
    const topics = channels.map((channel) => fanout.subscribe(this, channel, intervalMs));
    for (const topic of this.subscriptions.add(topics, from)) fanout.unsubscribe(this, topic);
    if (intervalMs > 0) {
      this.subscriptions.sent ??= new SentOffsets(history.head);
      this.#limitedFrom = history.head;
    }
    this.#catchUp?.subscriptionsChanged();
    this.#resumedUpTo = Math.max(this.#resumedUpTo, from);
    this.#compact?.incompleteTo(Math.max(from, this.#context.history.head));
  }

  /**
   * Delivers the messages that wait because of a rate. Must be called before the subscriptions change: then
   * another topic may bring the next message of a channel.
   */
  deliverWaiting(): void {
    const { limited } = this.subscriptions;
    if (limited.length === 0 || this.#closing) return;
    const waiting = limited.flatMap((topic) =>
      [...(topic.waiting?.() ?? [])].filter((message) => this.#awaits(message, topic)),
    );
    for (const message of waiting.sort((a, b) => a.offset - b.offset)) {
      this.deliver(message, false);
      this.#context.tally.flush(message);
    }
    this.#limitedFrom = this.#context.history.head;
  }

  #awaits(message: Message, topic: Topic): boolean {
    return message.offset > this.#limitedFrom && this.subscriptions.brings(topic, message);
  }

  /** Offset up to which this connection was sent what its channels carried, as far as its rates allow. */
  get completeUpTo(): number {
    let complete = this.missed?.completeUpTo ?? this.#context.history.head;
    if (this.#conflation !== undefined) complete = Math.min(complete, this.#conflation.firstOffset - 1);
    for (const topic of this.subscriptions.limited) {
      for (const message of topic.waiting?.() ?? []) {
        if (message.offset <= complete && this.#awaits(message, topic)) complete = message.offset - 1;
      }
    }
    return complete;
  }

  /** Removes the channels for which `unwanted` is true. */
  unsubscribe(unwanted: (channel: string) => boolean): void {
    this.deliverWaiting();
    const removed = this.subscriptions.remove(unwanted);
    for (const topic of removed) this.#context.fanout.unsubscribe(this, topic);
    if (removed.length === 0) return;
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
    this.#unreadAnswers = Math.min(this.#unreadAnswers, this.#writer.waiting) + frame.length;
    this.#writer.sendWhole(frame);
    const limit = this.#context.limits.sendBufferBytes * MAX_UNREAD_ANSWERS;
    if (this.#unreadAnswers > limit) {
      this.#writer.flush();
      this.#unreadAnswers = Math.min(this.#unreadAnswers, this.socket.writableLength);
      if (this.#unreadAnswers > limit) this.close(CLOSE.policy, "answers are not read");
    }
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
    const seq = this.missed?.markSent(message.offset) ? this.#ring.seqOf(message) : undefined;
    if (seq === undefined) return message;
    this.#unsent--;
    return { message, seq };
  }

  /**
   * Returns the envelopes of these sequences that are still in the buffer. They no longer count as missed.
   */
  takeForReplay(from: number, to: number): Resent[] {
    const found: Resent[] = [];
    const oldest = this.seq - this.#context.limits.replayBuffer + 1;
    for (let seq = Math.max(from, oldest); seq <= Math.min(to, this.seq); seq++) {
      const message = this.#ring.get(seq);
      if (message === undefined) continue;
      if (this.missed?.markSent(message.offset)) this.#unsent--;
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
    return this.#send(message, oldSeq ?? this.#ring.push(message), false);
  }

  sendConflated(message: Message): number {
    this.#backpressure?.succeeded();
    return this.sendMessage(message);
  }

  /** Writes everything that waits to be written, now. */
  flush(): void {
    this.#writer.flush();
  }

  caughtUp(): void {
    this.#catchUp = undefined;
    this.#compact?.incompleteTo(this.#context.history.head);
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

  /** How the envelopes of this connection are encoded. */
  get encoding(): "compact" | "json" {
    return this.#compact === undefined ? "json" : "compact";
  }

  /** Defines the dictionaries that the client has kept from an earlier connection. */
  refer(ids: ReadonlySet<string>): void {
    for (const frame of this.#compact?.references(ids) ?? []) this.#writer.sendWhole(frame);
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
    this.#writer.sendWhole(PING);
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
    this.#lastOffset = 0;
    this.#resumedUpTo = 0;
    this.#limitedFrom = 0;
    this.#compact?.begin(this.#context.history.head);
    this.#catchUp?.clearMessages();
    this.#endConflation();
    this.#ring.clear();
    this.missed?.clear();
    this.subscriptions.begin();
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
    this.#writer.end();
    const { wheel, degraded } = this.#context;
    this.unsubscribe(() => true);
    wheel.cancel(this.#liveness);
    degraded.delete(this);
    this.#catchUp?.end();
    this.#endConflation();
    this.#backpressure = undefined;
  }
}
