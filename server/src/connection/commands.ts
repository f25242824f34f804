/** Reads the requests of a client and answers them. */

import {
  CLOSE,
  type ClientMessage,
  type ErrorCode,
  type ErrorMessage,
  parseClientMessage,
  type Since,
  type Subscribe,
  type SubscriptionAck,
  type ThrottleUpdate,
} from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import { Deque } from "../delivery/deque.ts";
import type { Verifier } from "../entrance/auth.ts";
import type { SocketHandler } from "../entrance/client-socket.ts";
import { KeysUnavailableError } from "../entrance/remote-keys.ts";
import { TokenBucket } from "../rate.ts";
import type { Outgoing } from "./catch-up-queue.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionContext } from "./context.ts";
import { LastLookup } from "./last-lookup.ts";
import { permission } from "./permissions.ts";
import { Resume } from "./resume.ts";
import type { Job } from "./turns.ts";

/** A client floods when its refused messages exceed its accepted ones by this many bursts. */
const FLOOD_BURSTS = 4;
/** Requests that may wait while an earlier request is answered. Further ones are refused. */
const MAX_WAITING = 100;
/** Only one refusal a second is answered, because a flood of messages must not cause a flood of answers. */
const REFUSAL_INTERVAL_MS = 1000;

export class Commands implements SocketHandler, Job {
  readonly #context: ConnectionContext;
  readonly #connection: Connection;
  readonly #bucket: TokenBucket;
  /** Key of the client in the replay budget: all connections of one user share it. */
  readonly #account: string;
  #refused = 0;
  #lastRefusalAt = Number.NEGATIVE_INFINITY;
  /** Requests that were not handled yet, as text, and refusals, which keep their place among the answers. */
  readonly #waiting = new Deque<string | ErrorMessage>();
  /** The request that is handled next. Later ones wait, so that answers come in the order of the requests. */
  #current: ClientMessage | ErrorMessage | undefined;
  #resume: Resume | undefined;
  /** Last values that the request of `#resume` asks for. */
  #last: LastLookup | undefined;
  /** Offset up to which these are sent when nothing is lost. */
  #lastUpTo = 0;
  /** The client that resumes is ahead of the whole stream. */
  #wentBack = false;
  /** The answer to a request waits for something outside this process, such as the key of a token. */
  #suspended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: ConnectionContext, connection: Connection) {
    this.#context = context;
    this.#connection = connection;
    this.#bucket = new TokenBucket(
      context.limits.inboundRate,
      context.limits.inboundBurst,
      steadyClock.now(),
    );
    const { user, id } = connection;
    this.#account = user === undefined ? `connection ${id}` : `user ${user}`;
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
    this.#refuse(
      `more than ${inboundRate} messages a second (burst ${inboundBurst}): this one was not read`,
      now,
    );
    return false;
  }

  #refuse(message: string, now: number): void {
    this.#context.metrics.messagesReceived.inc({ type: "rate_limited" });
    if (++this.#refused > this.#context.limits.inboundBurst * FLOOD_BURSTS) {
      this.#connection.close(CLOSE.policy, "too many messages");
    } else if (now - this.#lastRefusalAt >= REFUSAL_INTERVAL_MS) {
      this.#lastRefusalAt = now;
      this.#waiting.push({ type: "error", code: "rate_limited", message });
      this.#context.turns.run(this);
    }
  }

  markAlive(): void {
    this.#connection.markAlive();
  }

  detach(): void {
    clearTimeout(this.#timer);
    this.#connection.detach();
  }

  handle(text: string): void {
    if (!this.admitMessage()) return;
    if (this.#waiting.length >= MAX_WAITING) {
      return this.#refuse(
        "earlier requests are still being answered: this one was not read",
        steadyClock.now(),
      );
    }
    this.#waiting.push(text);
    this.#context.turns.run(this);
  }

  /** Handles requests in their order, until the step is over or the next request has to wait. */
  step(): boolean {
    while (!this.#connection.closing && !this.#suspended) {
      if (this.#resume !== undefined) {
        if (!this.#resume.step()) return true;
        this.#sendResumed(this.#resume);
        this.#resume = undefined;
      } else {
        this.#current ??= this.#read();
        if (this.#current === undefined || this.#mustWait(this.#current)) return false;
        const message = this.#current;
        this.#current = undefined;
        this.#handle(message);
      }
      if (this.#context.turns.stepOver) return true;
    }
    return false;
  }

  #read(): ClientMessage | ErrorMessage | undefined {
    const next = this.#waiting.shift();
    if (typeof next !== "string") return next;
    const message = parseClientMessage(next);
    this.#context.metrics.messagesReceived.inc({ type: message.type === "error" ? "invalid" : message.type });
    return message;
  }

  /** Returns whether a request has to wait, and makes sure that it is handled later. */
  #mustWait(message: ClientMessage | ErrorMessage): boolean {
    const proceed = () => this.#context.turns.run(this);
    const resumes = message.type === "subscribe" && message.since !== undefined;
    const wantsLast = message.type === "subscribe" && message.last === true;
    if (!resumes && !wantsLast && message.type !== "replay") return false;
    if (this.#connection.busy && (resumes || !wantsLast)) {
      if (resumes) this.#connection.afterCatchUp(proceed);
      return resumes;
    }
    const wait = this.#context.replayBudget.waitMs(this.#account, steadyClock.now());
    clearTimeout(this.#timer);
    if (wait > 0) this.#timer = setTimeout(proceed, wait);
    return wait > 0;
  }

  #handle(message: ClientMessage | ErrorMessage): void {
    const connection = this.#connection;
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
        return this.#authenticate(message.token);
      case "error":
        return connection.answer(() => message);
    }
  }

  #isAhead(since: Since | undefined): boolean {
    const { history } = this.#context;
    return since !== undefined && since.epoch === history.epoch && since.offset > history.head;
  }

  /**
   * A client that is ahead of this gateway comes from a gateway that reads faster, or the stream went back.
   * The end of the stream decides.
   */
  #subscribeWithEnd(message: Subscribe): void {
    const { streamEnd } = this.#context;
    if (streamEnd === undefined) return this.#subscribe(message);
    this.#suspendFor(
      streamEnd().then((end) => {
        if (!this.#connection.closing) this.#subscribe(message, end);
      }),
    );
  }

  /** `end`: offset of the stream's last message, when the client was ahead of this gateway. */
  #subscribe({ channels, since, last, max_rate }: Subscribe, end = Number.POSITIVE_INFINITY): void {
    const connection = this.#connection;
    const { limits, history, lastValues, metrics } = this.#context;
    const allows = permission(connection.claims.channels);
    const forbidden = channels.find((channel) => !allows(channel));
    if (forbidden !== undefined) {
      return this.#error(
        "forbidden_channel",
        `your token does not allow ${forbidden}; nothing was subscribed`,
      );
    }
    const { subscriptions } = connection;
    const total = subscriptions.size + subscriptions.countNew(channels);
    if (total > limits.maxChannels) {
      return this.#error(
        "too_many_channels",
        `${total} channels, the limit is ${limits.maxChannels}; nothing was subscribed`,
      );
    }
    connection.deliverWaiting();
    const waiting = since !== undefined || last ? connection.takeConflated() : [];
    const resume = since === undefined ? undefined : new Resume(this.#context, connection, since, channels);
    const wentBack = since !== undefined && since.offset > Math.max(end, history.head);
    if (resume !== undefined && wentBack) resume.found = undefined;
    const lookup = last && lastValues ? new LastLookup(lastValues, connection, channels, history) : undefined;
    const from = since !== undefined && resume?.found !== undefined ? since.offset : history.head;
    connection.subscribe(channels, from, max_rate === undefined ? 0 : Math.ceil(1000 / max_rate));
    metrics.subscriptionsPerClient.observe(subscriptions.size);
    if (resume === undefined) connection.enqueue(waiting);
    if (resume === undefined && lookup !== undefined) return this.#sendLastValues(lookup);
    if (resume === undefined) return this.#acknowledge();
    connection.hold(waiting);
    this.#resume = resume;
    this.#last = lookup;
    // A client that has everything up to its offset has the last values, too, unless some of them waited for
    // their turn when its connection ended.
    this.#lastUpTo = max_rate === undefined || since === undefined ? 0 : since.offset;
    this.#wentBack = wentBack;
  }

  /**
   * The client would take new messages at offsets that it has received before for repetitions. So this
   * connection gets an epoch of its own, as if the stream had been replaced; the next connection gets the
   * epoch that the gateways have by then.
   */
  #otherStream(): ThrottleUpdate {
    const { epoch, head } = this.#context.history;
    return {
      type: "throttle_update",
      level: 0,
      rate_percent: 100,
      dropped: 0,
      since: { epoch: `${epoch}.${this.#connection.id}`, offset: head },
      message: "the stream went back: offsets restart, fetch the current state",
    };
  }

  /** Sends the answer to a `subscribe … since`: the acknowledgement and the messages. */
  #sendResumed({ found, cost }: Resume): void {
    const { replayBudget, metrics } = this.#context;
    metrics.resumes.inc({ result: found === undefined ? "lost" : "recovered" });
    replayBudget.charge(this.#account, cost.messages, cost.bytes, steadyClock.now());
    const lookup = this.#last;
    this.#last = undefined;
    if (found !== undefined) lookup?.keepUpTo(this.#lastUpTo);
    const values = lookup === undefined ? [] : this.#takeLastValues(lookup);
    const acknowledgement = this.#acknowledgement({
      recovered: found !== undefined,
      replayed: found?.length ?? 0,
      ...(lookup !== undefined && { last: values.length }),
    });
    const otherStream = this.#wentBack ? [() => this.#otherStream()] : [];
    this.#connection.release([() => acknowledgement, ...otherStream, ...values, ...(found ?? [])]);
  }

  /** Sends the answer to a `subscribe` with `last`. Live messages wait behind the last values. */
  #sendLastValues(lookup: LastLookup): void {
    const values = this.#takeLastValues(lookup);
    const acknowledgement = this.#acknowledgement({ last: values.length });
    this.#connection.enqueue([() => acknowledgement, ...values]);
  }

  #takeLastValues(lookup: LastLookup): Outgoing[] {
    const { messages, bytes } = lookup.cost;
    this.#context.replayBudget.charge(this.#account, messages, bytes, steadyClock.now());
    return lookup.take();
  }

  #acknowledge(): void {
    const acknowledgement = this.#acknowledgement();
    this.#connection.answer(() => acknowledgement);
  }

  #acknowledgement(answer: Pick<SubscriptionAck, "recovered" | "replayed" | "last"> = {}): SubscriptionAck {
    const subscribed = this.#connection.subscriptions.names;
    return { type: "subscription_ack", subscribed, count: subscribed.length, ...answer };
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
    const bytes = found.reduce((sum, { message }) => sum + message.bytes, 0);
    this.#context.replayBudget.charge(this.#account, sent, bytes, steadyClock.now());
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
    const offset = connection.completeUpTo;
    connection.answer(() => {
      // When another stream has begun while this answer waited, the client has nothing of that stream yet.
      const completeUpTo = epoch === history.epoch ? offset : 0;
      return { type: "heartbeat_ack", ts: Date.now(), seq: connection.seq, offset: completeUpTo };
    });
  }

  #authenticate(token: string): void {
    const { verify } = this.#context;
    if (verify === undefined) this.#acknowledge();
    else this.#suspendFor(this.#refresh(verify, token));
  }

  /** Lets later requests wait until an answer is complete. */
  #suspendFor(answer: Promise<void>): void {
    this.#suspended = true;
    void answer.finally(() => {
      this.#suspended = false;
      this.#context.turns.run(this);
    });
  }

  async #refresh(verify: Verifier, token: string): Promise<void> {
    const connection = this.#connection;
    try {
      const identity = await verify(token);
      if (identity.user !== connection.user)
        return this.#error("unauthorized", "the token is another user's");
      connection.refresh(identity);
      const allows = permission(identity.channels);
      connection.unsubscribe((channel) => !allows(channel));
      this.#acknowledge();
    } catch (error) {
      const code = error instanceof KeysUnavailableError ? error.code : "unauthorized";
      this.#error(code, (error as Error).message);
    }
  }

  #error(code: ErrorCode, message: string): void {
    this.#connection.answer(() => ({ type: "error", code, message }));
  }
}
