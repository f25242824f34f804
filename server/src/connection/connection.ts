/** One client: what it subscribed to, what it was sent, how well it keeps up. */

import type { Socket } from "node:net";
import { CLOSE, type ControlMessage, type ThrottleLevel } from "@odin-ws/protocol";
import type { Subscriber } from "../delivery/fanout.ts";
import { textFrame } from "../delivery/frame.ts";
import { Message } from "../delivery/message.ts";
import type { Identity } from "../entrance/auth.ts";
import type { ClientSocket } from "../entrance/client-socket.ts";
import { Backpressure, type Paced } from "./backpressure.ts";
import { type Again, CatchUpQueue, type Outgoing } from "./catch-up-queue.ts";
import type { ConnectionContext, Restless } from "./context.ts";
import type { Missed } from "./missed.ts";
import { ReplayRing } from "./replay-ring.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { ThrottleSettings } from "./throttle.ts";
import type { Due } from "./timer-wheel.ts";

/** Answers that may wait for a client that asks and does not read, in multiples of the send buffer. */
const MAX_UNREAD_ANSWERS = 2;
const SILENT_PINGS = 2;
const PING = Buffer.from([0x89, 0]);
const NO_CLAIMS: Pick<Identity, "expiresAt" | "channels"> = { expiresAt: 0, channels: undefined };

export class Connection implements Subscriber, Due, Restless, Paced {
  readonly id: string;
  /** Claim `sub`, undefined without authentication. */
  readonly user: string | undefined;
  readonly ws: ClientSocket;
  readonly subscriptions = new Subscriptions();
  readonly #socket: Socket;
  readonly #shared: ConnectionContext;
  readonly #throttleSettings: ThrottleSettings;
  readonly #ring: ReplayRing;
  /** LZ77 window of this client's compression, 0 for none. */
  readonly #windowBits: number;
  /** Second of the upgrade. */
  readonly openedAt: number;

  claims: Pick<Identity, "expiresAt" | "channels">;
  /** Kept by the wheel. */
  dueAt = 0;
  #pingAt: number;
  #unanswered = 0;
  #closing = false;
  /** Offset of the last message that the fan-out brought: patterns overlap. */
  #stamp = 0;
  /** Up to here the client has messages of some channels from a gateway that was ahead of this one. */
  #ahead = 0;
  #backpressure: Backpressure | undefined;
  #catchUp: CatchUpQueue | undefined;

  constructor(
    shared: ConnectionContext,
    options: {
      id: string;
      ws: ClientSocket;
      socket: Socket;
      identity: Identity | undefined;
      throttle: ThrottleSettings;
      second: number;
      /** Seconds until the first ping; default: as between any two. */
      firstPing?: number;
    },
  ) {
    this.#shared = shared;
    this.id = options.id;
    this.ws = options.ws;
    this.#socket = options.socket;
    this.user = options.identity?.user;
    this.claims = options.identity ?? NO_CLAIMS;
    this.#throttleSettings = options.throttle;
    this.#ring = new ReplayRing(shared.limits.replayBuffer);
    this.#windowBits = options.ws.deflateWindowBits;
    this.openedAt = options.second;
    this.#pingAt = options.second + (options.firstPing ?? shared.limits.pingSeconds);
  }

  /** Sequence of the last envelope. */
  get seq(): number {
    return this.#ring.last;
  }
  get level(): ThrottleLevel {
    return this.#backpressure?.level ?? 0;
  }

  // ——— delivery ———

  deliver(message: Message): boolean {
    if (this.#isDuplicate(message)) return false;
    if (this.#backpressure !== undefined && !this.#backpressure.passes(message.priority)) {
      this.#backpressure.leaveOut(message, "throttled");
      if (this.#backpressure.atLastLevel && !this.#hasRoom(message)) this.#backpressure.failed();
      return false;
    }
    if (this.#catchUp !== undefined) {
      if (!this.#catchUp.follow(message)) this.close(CLOSE.policy, "too slow to catch up");
      return false;
    }
    const seq = this.#ring.push(message);
    if (!this.#hasRoom(message)) {
      // It has its place in the sequence and waits in the replay buffer: the client sees the gap and asks.
      this.#troubled.unsent(message);
      return false;
    }
    this.#write(message, seq);
    this.#backpressure?.succeeded();
    return true;
  }

  /** The gateway sheds load: a message is not delivered to anybody. */
  shed(message: Message): void {
    if (!this.#isDuplicate(message)) this.#troubled.leaveOut(message, "shed");
  }

  #isDuplicate(message: Message): boolean {
    if (this.#stamp === message.offset || this.#closing) return true;
    if (message.offset <= this.#ahead && !this.subscriptions.delivered(message)) return true;
    this.#stamp = message.offset;
    return false;
  }

  #hasRoom(message: Message): boolean {
    const waiting = this.#socket.writableLength;
    return waiting === 0 || waiting + message.bytes <= this.#shared.limits.sendBufferBytes;
  }

  #write(message: Message, seq: number): void {
    const frame = message.frame(this.#windowBits);
    this.#shared.tally.sent(frame.writeTo(this.#socket, seq), frame.deflated);
  }

  // ——— what follows a request of the client ———

  /** Adds channels and patterns in short form, of which the messages after `from` come. */
  subscribe(channels: readonly string[], from: number): void {
    const topics = channels.map((channel) => this.#shared.fanout.subscribe(this, channel));
    this.subscriptions.add(topics, from);
    this.#ahead = Math.max(this.#ahead, from);
  }

  /** Removes the channels for which `unwanted` is true. */
  unsubscribe(unwanted: (channel: string) => boolean): void {
    const removed = this.subscriptions.remove(unwanted);
    for (const topic of removed) this.#shared.fanout.unsubscribe(this, topic);
    if (removed.length === 0 || this.#catchUp === undefined) return;
    const delivered = this.subscriptions.deliveredFilter();
    this.#catchUp.retain((item) => !(item instanceof Message) || delivered(item));
  }

  /** Sends a control message, in front of what waits in the outbox. */
  control(message: ControlMessage): void {
    if (this.#closing) return;
    this.#socket.write(textFrame(JSON.stringify(message)));
    if (this.#socket.writableLength > this.#shared.limits.sendBufferBytes * MAX_UNREAD_ANSWERS) {
      this.close(CLOSE.policy, "answers are not read");
    }
  }

  /** Sends messages of the history as new envelopes, before anything that comes from now on. */
  resume(messages: readonly Message[]): void {
    const { missed } = this;
    this.#enqueue(
      missed === undefined ? messages : messages.map((message) => this.#madeUpFor(missed, message)),
    );
  }

  /** A message that took a sequence and could not be sent fills its own gap. */
  #madeUpFor(missed: Missed, message: Message): Outgoing {
    const seq = missed.made(message.offset) ? this.#ring.seqOf(message) : undefined;
    return seq === undefined ? message : { message, seq };
  }

  /** Sends envelopes again, then `end`. Returns how many are still in the buffer. */
  replay(from: number, to: number, end: (sent: number) => ControlMessage): number {
    const found: Outgoing[] = [];
    const oldest = this.seq - this.#shared.limits.replayBuffer + 1;
    for (let seq = Math.max(from, oldest); seq <= Math.min(to, this.seq); seq++) {
      const message = this.#ring.get(seq);
      if (message === undefined) continue;
      this.missed?.made(message.offset);
      found.push({ message, seq });
    }
    const sent = found.length;
    this.#enqueue([...found, () => end(sent)]);
    return sent;
  }

  /** Says up to where the client has been given everything, once what waits before it has gone. */
  acknowledgeHeartbeat(): void {
    const { history } = this.#shared;
    const { epoch } = history;
    const offset = this.missed?.before ?? history.head;
    const answer = () => {
      // Of a stream that has begun meanwhile the client was given nothing yet.
      const place = epoch === history.epoch ? offset : 0;
      return { type: "heartbeat_ack", ts: Date.now(), seq: this.seq, offset: place } as const;
    };
    if (this.#catchUp === undefined) this.control(answer());
    else this.#enqueue([answer]);
  }

  /** True while an earlier answer is still being sent. */
  get busy(): boolean {
    return this.#catchUp !== undefined;
  }

  #enqueue(items: readonly Outgoing[]): void {
    if (items.length === 0) return;
    const waiting = this.#catchUp !== undefined;
    this.#catchUp ??= new CatchUpQueue(this.#socket, (item) => this.#sendItem(item));
    if (!this.#catchUp.add(items)) return this.close(CLOSE.policy, "answers are not read");
    if (waiting) return;
    this.#catchUp.pump(() => {
      this.#catchUp = undefined;
    });
  }

  #sendItem(item: Outgoing): void {
    if (typeof item === "function") return this.control(item());
    const { message, seq } = item instanceof Message ? this.#numbered(item) : item;
    this.#write(message, seq);
    this.#shared.tally.book(message);
  }

  #numbered(message: Message): Again {
    return { message, seq: this.#ring.push(message) };
  }

  // ——— keeping up ———

  /** What was not delivered to this connection since it subscribed, and can still be. */
  get missed(): Missed | undefined {
    return this.#backpressure?.missed;
  }

  get #troubled(): Backpressure {
    this.#shared.restless.add(this);
    this.#backpressure ??= new Backpressure(this.#shared, this.#throttleSettings, this);
    return this.#backpressure;
  }

  /** Tells the client where it stands and from where on it can get what it was not sent. */
  announce(message: string): void {
    this.#troubled.announce(message);
  }

  /** Up to `count` messages after `offset` were lost to the whole gateway. */
  lost(offset: number, count: number): void {
    this.#troubled.lost(offset, count);
  }

  settle(now: number): void {
    if (this.#backpressure?.settle(now) === false) return;
    this.#backpressure = undefined;
    this.#shared.restless.delete(this);
  }

  // ——— life ———

  /** Something came from the client. */
  heard(): void {
    this.#unanswered = 0;
  }

  /** A fresh token was accepted. */
  refresh(claims: Pick<Identity, "expiresAt" | "channels">): void {
    if (this.#closing) return;
    this.claims = claims;
    this.#shared.wheel.plan(this, this.#nextVisit());
  }

  visit(second: number): number {
    const { expiresAt } = this.claims;
    if (expiresAt > 0 && second >= expiresAt) {
      this.close(CLOSE.tokenExpired, "token expired");
      return 0;
    }
    if (second >= this.#pingAt) {
      if (this.#unanswered >= SILENT_PINGS) {
        this.ws.terminate();
        return 0;
      }
      this.#unanswered++;
      this.#pingAt = second + this.#shared.limits.pingSeconds;
      this.#socket.write(PING);
    }
    return this.#nextVisit();
  }

  #nextVisit(): number {
    const { expiresAt } = this.claims;
    return expiresAt > 0 ? Math.min(this.#pingAt, expiresAt) : this.#pingAt;
  }

  /** Starts the wheel for this connection. */
  open(): void {
    this.#shared.wheel.plan(this, this.#nextVisit());
  }

  /** Another stream took the place of the one that was read. */
  begin(): void {
    this.#stamp = 0;
    this.#ahead = 0;
    this.#catchUp?.retain(() => false);
    this.#ring.clear();
    this.missed?.clear();
    this.subscriptions.begin();
  }

  /** Says goodbye with a close code; nothing is sent after it. */
  close(code: number, reason: string): void {
    if (this.#closing) return;
    this.detach();
    this.ws.close(code, reason);
  }

  /** Takes the connection out of everything that would still send to it. */
  detach(): void {
    this.#closing = true;
    const { wheel, restless } = this.#shared;
    this.unsubscribe(() => true);
    wheel.cancel(this);
    restless.delete(this);
    this.#catchUp?.end();
    this.#backpressure = undefined;
  }
}
