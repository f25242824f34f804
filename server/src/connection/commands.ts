/** What a client asks for, and what it gets for an answer. */

import {
  CLOSE,
  covers,
  type ErrorCode,
  type Position,
  parseClientMessage,
  type Subscribe,
} from "@odin-ws/protocol";
import type { Message } from "../delivery/message.ts";
import type { Attendant } from "../entrance/client-socket.ts";
import { TokenBucket } from "../rate.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionContext } from "./context.ts";

/** So many more refused than admitted messages, in multiples of the burst, make a flood. */
const FLOOD = 4;

/** Answers the messages of one connection. */
export class Commands implements Attendant {
  readonly #shared: ConnectionContext;
  readonly #connection: Connection;
  readonly #bucket: TokenBucket;
  #refused = 0;
  #complained = 0;

  constructor(shared: ConnectionContext, connection: Connection) {
    this.#shared = shared;
    this.#connection = connection;
    this.#bucket = new TokenBucket(shared.limits.inboundRate, shared.limits.inboundBurst, Date.now());
  }

  /** True when the client may send now; answers and in the end closes when it floods. Pings count too. */
  admit(): boolean {
    const now = Date.now();
    if (this.#bucket.take(now)) {
      this.#refused = Math.max(0, this.#refused - 1);
      return true;
    }
    const { inboundRate, inboundBurst } = this.#shared.limits;
    this.#shared.metrics.messagesReceived.inc({ type: "rate_limited" });
    if (++this.#refused > inboundBurst * FLOOD) {
      this.#connection.close(CLOSE.policy, "too many messages");
    } else if (now - this.#complained >= 1000) {
      // One answer a second: a flood in must not become a flood out.
      this.#complained = now;
      this.#error(
        "rate_limited",
        `more than ${inboundRate} messages a second (burst ${inboundBurst}): this one was not read`,
      );
    }
    return false;
  }

  heard(): void {
    this.#connection.heard();
  }

  detach(): void {
    this.#connection.detach();
  }

  handle(text: string): void {
    if (!this.admit()) return;
    const connection = this.#connection;
    const message = parseClientMessage(text);
    this.#shared.metrics.messagesReceived.inc({ type: message.type === "error" ? "invalid" : message.type });
    switch (message.type) {
      case "subscribe":
        return this.#subscribe(message);
      case "unsubscribe": {
        const unwanted = new Set(message.channels);
        connection.unsubscribe((channel) => unwanted.has(channel));
        return this.#acknowledge();
      }
      case "replay":
        return this.#replay(message.from_seq, message.to_seq);
      case "heartbeat":
        return connection.acknowledgeHeartbeat();
      case "auth":
        void this.#refresh(message.token);
        return;
      case "error":
        return connection.control(message);
    }
  }

  #subscribe({ channels, since }: Subscribe): void {
    const connection = this.#connection;
    const { limits, history, metrics } = this.#shared;
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
    const missing = since === undefined ? undefined : this.#missing(since, channels);
    const from = missing === undefined ? history.head : (since as Position).offset;
    connection.subscribe(channels, from);
    metrics.subscriptionsPerClient.observe(connection.subscriptions.size);
    if (since === undefined) return this.#acknowledge();
    metrics.resumes.inc({ result: missing === undefined ? "lost" : "recovered" });
    this.#acknowledge({ recovered: missing !== undefined, replayed: missing?.length ?? 0 });
    if (missing !== undefined) connection.resume(missing);
  }

  /** What the channels carried after a position and this connection was not given; undefined when that is not whole. */
  #missing(since: Position, channels: readonly string[]): Message[] | undefined {
    const { missed, subscriptions } = this.#connection;
    if (missed !== undefined && since.offset < missed.forgotten) return undefined;
    const delivered = subscriptions.deliveredFilter();
    return this.#shared.history
      .since(since, channels)
      ?.filter((message) => !delivered(message) || missed?.has(message.offset) === true);
  }

  #acknowledge(resume: { recovered?: boolean; replayed?: number } = {}): void {
    const subscribed = this.#connection.subscriptions.names;
    this.#connection.control({ type: "subscription_ack", subscribed, count: subscribed.length, ...resume });
  }

  #replay(from_seq: number, to_seq: number): void {
    if (this.#connection.busy)
      return this.#error("rate_limited", "the answer to an earlier request is still being sent");
    const last = Math.min(to_seq, this.#connection.seq);
    const wanted = Math.max(0, last - from_seq + 1);
    const result = (sent: number) =>
      ({ type: "replay_end", from_seq, to_seq, sent, missing: wanted - sent }) as const;
    const sent = this.#connection.replay(from_seq, to_seq, result);
    this.#shared.metrics.replays.inc({ result: sent === wanted ? "complete" : "partial" });
  }

  async #refresh(token: string): Promise<void> {
    const connection = this.#connection;
    const { verify } = this.#shared;
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
      this.#error("unauthorized", (error as Error).message);
    }
  }

  #error(code: ErrorCode, message: string): void {
    this.#connection.control({ type: "error", code, message });
  }
}
