/** Reads the requests of a client and answers them. */

import {
  CLOSE,
  covers,
  type ErrorCode,
  parseClientMessage,
  type Since,
  type Subscribe,
} from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import type { Message } from "../delivery/message.ts";
import type { SocketHandler } from "../entrance/client-socket.ts";
import { KeysUnavailableError } from "../entrance/remote-keys.ts";
import { TokenBucket } from "../rate.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionContext } from "./context.ts";

/** A client floods when its refused messages exceed its accepted ones by this many bursts. */
const FLOOD_BURSTS = 4;
/** Only one refusal a second is answered, because a flood of messages must not cause a flood of answers. */
const REFUSAL_INTERVAL_MS = 1000;

export class Commands implements SocketHandler {
  readonly #context: ConnectionContext;
  readonly #connection: Connection;
  readonly #bucket: TokenBucket;
  /** Requests that wait until an earlier one is answered; undefined while none waits. */
  #waiting: string[] | undefined;
  #refused = 0;
  #lastRefusalAt = Number.NEGATIVE_INFINITY;

  constructor(context: ConnectionContext, connection: Connection) {
    this.#context = context;
    this.#connection = connection;
    this.#bucket = new TokenBucket(
      context.limits.inboundRate,
      context.limits.inboundBurst,
      steadyClock.now(),
    );
  }

  /**
   * Returns whether the client may send a message or ping now. Answers a refusal, and closes when the client
   * floods.
   */
  admitMessage(): boolean {
    const now = steadyClock.now();
    if (this.#bucket.take(now)) {
      this.#refused = Math.max(0, this.#refused - 1);
      return true;
    }
    const { inboundRate, inboundBurst } = this.#context.limits;
    this.#context.metrics.messagesReceived.inc({ type: "rate_limited" });
    if (++this.#refused > inboundBurst * FLOOD_BURSTS) {
      this.#connection.close(CLOSE.policy, "too many messages");
    } else if (now - this.#lastRefusalAt >= REFUSAL_INTERVAL_MS) {
      this.#lastRefusalAt = now;
      this.#error(
        "rate_limited",
        `more than ${inboundRate} messages a second (burst ${inboundBurst}): this one was not read`,
      );
    }
    return false;
  }

  markAlive(): void {
    this.#connection.markAlive();
  }

  detach(): void {
    this.#connection.detach();
  }

  handle(text: string): void {
    if (!this.admitMessage()) return;
    this.#handleInOrder(text);
  }

  #handleInOrder(text: string): void {
    if (this.#waiting === undefined) this.#handle(text);
    else this.#waiting.push(text);
  }

  #handle(text: string): void {
    const connection = this.#connection;
    const message = parseClientMessage(text);
    this.#context.metrics.messagesReceived.inc({ type: message.type === "error" ? "invalid" : message.type });
    switch (message.type) {
      case "subscribe":
        return this.#isAhead(message.since) ? this.#subscribeWithEnd(message) : this.#subscribe(message);
      case "unsubscribe": {
        const unwanted = new Set(message.channels);
        connection.unsubscribe((channel) => unwanted.has(channel));
        return this.#acknowledge();
      }
      case "replay":
        return this.#replay(message.from_seq, message.to_seq);
      case "heartbeat":
        return this.#acknowledgeHeartbeat();
      case "auth":
        void this.#refresh(message.token);
        return;
      case "error":
        return connection.control(message);
    }
  }

  #isAhead(since: Since | undefined): boolean {
    const { history } = this.#context;
    return since !== undefined && since.epoch === history.epoch && since.offset > history.head;
  }

  /**
   * A client that is ahead of this gateway comes from a gateway that reads faster, or the stream went back.
   * The end of the stream decides. Later requests wait, so that answers keep their order.
   */
  #subscribeWithEnd(message: Subscribe): void {
    const { streamEnd } = this.#context;
    if (streamEnd === undefined) return this.#subscribe(message);
    const waiting: string[] = [];
    this.#waiting = waiting;
    void streamEnd().then((end) => {
      this.#waiting = undefined;
      if (this.#connection.closing) return;
      this.#subscribe(message, end);
      for (const text of waiting) this.#handleInOrder(text);
    });
  }

  /** `end`: offset of the stream's last message, when the client was ahead of this gateway. */
  #subscribe({ channels, since }: Subscribe, end = Number.POSITIVE_INFINITY): void {
    const connection = this.#connection;
    const { limits, history, metrics } = this.#context;
    const allowed = connection.claims.channels;
    const forbidden = channels.find(
      (channel) => allowed?.some((pattern) => covers(pattern, channel)) === false,
    );
    if (forbidden !== undefined) {
      return this.#error(
        "forbidden_channel",
        `your token does not allow ${forbidden}; nothing was subscribed`,
      );
    }
    const added = channels.filter((channel) => !connection.subscriptions.has(channel)).length;
    const total = connection.subscriptions.size + added;
    if (total > limits.maxChannels) {
      return this.#error(
        "too_many_channels",
        `${total} channels, the limit is ${limits.maxChannels}; nothing was subscribed`,
      );
    }
    const wentBack = since !== undefined && since.offset > Math.max(end, history.head);
    const missing = since === undefined || wentBack ? undefined : this.#missing(since, channels);
    const from = missing === undefined ? history.head : (since as Since).offset;
    connection.subscribe(channels, from);
    metrics.subscriptionsPerClient.observe(connection.subscriptions.size);
    if (since === undefined) return this.#acknowledge();
    metrics.resumes.inc({ result: missing === undefined ? "lost" : "recovered" });
    this.#acknowledge({ recovered: missing !== undefined, replayed: missing?.length ?? 0 });
    if (missing !== undefined) connection.resume(missing);
  }

  /**
   * Returns the messages that the channels carried after a position and that this connection was not sent;
   * undefined when some of these messages are no longer available.
   */
  #missing(since: Since, channels: readonly string[]): Message[] | undefined {
    const { missed, subscriptions } = this.#connection;
    if (missed !== undefined && since.offset < missed.forgotten) return undefined;
    const delivered = subscriptions.deliveredFilter();
    return this.#context.history
      .since(since, channels)
      ?.filter((message) => !delivered(message) || missed?.has(message.offset) === true);
  }

  #acknowledge(resume: { recovered?: boolean; replayed?: number } = {}): void {
    const subscribed = this.#connection.subscriptions.names;
    this.#connection.control({ type: "subscription_ack", subscribed, count: subscribed.length, ...resume });
  }

  #replay(from_seq: number, to_seq: number): void {
    const connection = this.#connection;
    if (connection.busy) {
      return this.#error("rate_limited", "the answer to an earlier request is still being sent");
    }
    const last = Math.min(to_seq, connection.seq);
    const wanted = Math.max(0, last - from_seq + 1);
    const found = connection.takeForReplay(from_seq, to_seq);
    const sent = found.length;
    const end = { type: "replay_end", from_seq, to_seq, sent, missing: wanted - sent } as const;
    connection.enqueue([...found, () => end]);
    this.#context.metrics.replays.inc({ result: sent === wanted ? "complete" : "partial" });
  }

  /**
   * Answers with the offset up to which the client has everything, after all messages that wait before this
   * answer.
   */
  #acknowledgeHeartbeat(): void {
    const connection = this.#connection;
    const { history } = this.#context;
    const { epoch } = history;
    const offset = connection.missed?.completeUpTo ?? history.head;
    const answer = () => {
      // When another stream has begun while this answer waited, the client has nothing of that stream yet.
      const completeUpTo = epoch === history.epoch ? offset : 0;
      return { type: "heartbeat_ack", ts: Date.now(), seq: connection.seq, offset: completeUpTo } as const;
    };
    if (connection.busy) connection.enqueue([answer]);
    else connection.control(answer());
  }

  async #refresh(token: string): Promise<void> {
    const connection = this.#connection;
    const { verify } = this.#context;
    if (verify === undefined) return this.#acknowledge();
    try {
      const identity = await verify(token);
      if (identity.user !== connection.user)
        return this.#error("unauthorized", "the token is another user's");
      connection.refresh({ expiresAt: identity.expiresAt, channels: identity.channels });
      const { channels } = identity;
      const allowed = (name: string) =>
        channels === undefined || channels.some((pattern) => covers(pattern, name));
      connection.unsubscribe((channel) => !allowed(channel));
      this.#acknowledge();
    } catch (error) {
      const code = error instanceof KeysUnavailableError ? error.code : "unauthorized";
      this.#error(code, (error as Error).message);
    }
  }

  #error(code: ErrorCode, message: string): void {
    this.#connection.control({ type: "error", code, message });
  }
}
