/**
 * Handles the messages that one client receives: envelopes, answers and notices, as PROTOCOL.md describes
 * them.
 */

import type { ControlMessage } from "@odin-ws/protocol";
import { wallMicros } from "../traffic/clock.ts";
import { DeliveryTracker, type Fault, type Gap } from "./delivery-tracker.ts";
import { GapQueue } from "./gap-queue.ts";
import { ContentError, isEnvelope, type ReceivedEnvelope } from "./message-index.ts";
import { RateCheck } from "./rate-check.ts";
import type { SubscriberContext, SubscriberOptions } from "./subscriber-context.ts";

/** What the handler needs of the connection. */
export interface HandlerEvents {
  send(message: object): void;
  /** The client is subscribed on a new connection. Called before the tracker starts. */
  subscribed(): void;
  /** The gateway announced when clients should reconnect. */
  reconnectWindow(window: { min_ms: number; max_ms: number }): void;
}

/** A `subscribe` that is not answered yet. */
interface SubscribeRequest {
  /** `gap`: a replay was incomplete. `backfill`: throttling ended. */
  reason: "first" | "resume" | "gap" | "backfill";
  /** Offset that the request named in `since`. */
  since: number;
}

type Message<Type extends ControlMessage["type"]> = Extract<ControlMessage, { type: Type }>;

export class MessageHandler {
  readonly tracker: DeliveryTracker;
  readonly #options: SubscriberOptions;
  readonly #context: SubscriberContext;
  readonly #events: HandlerEvents;
  #epoch = "";
  /** True once this connection is subscribed. */
  #subscribed = false;
  #requests: SubscribeRequest[] = [];
  readonly #gaps = new GapQueue(({ from, to }) => {
    this.#context.stats.count("replays");
    this.#events.send({ type: "replay", from_seq: from, to_seq: to });
  });
  /** Envelopes still to come that the gateway sends only because of a `since`. */
  #catchUpLeft = 0;
  /** Last values still to come, which the last answer announced, and the offset of the one before. */
  #lastValues = { left: 0, offset: 0 };
  readonly #rateCheck: RateCheck | undefined;
  /** Microseconds since 1970; 0 while no heartbeat waits for its answer. */
  #heartbeatSentAt = 0;
  /** A resume could not recover the messages above this offset; undefined when it could. */
  #notRecoveredFrom: number | undefined;
  /** Everything up to this offset has arrived, as of the last heartbeat. */
  #settledOffset: number | undefined;
  /** Set at the end of a run: everything up to this offset is due. */
  #dueUpTo: number | undefined;
  /** True once the gateway has throttled this client. */
  throttled = false;

  constructor(options: SubscriberOptions, context: SubscriberContext, events: HandlerEvents) {
    const { newestWins, last, maxRate } = options;
    this.tracker = new DeliveryTracker({ newestWins, last });
    this.#rateCheck = maxRate === undefined ? undefined : new RateCheck(maxRate);
    this.#options = options;
    this.#context = context;
    this.#events = events;
  }

  /** Handles a text message. */
  handle(bytes: Buffer, start: number, end: number): void {
    try {
      if (isEnvelope(bytes, start)) this.#onEnvelope(bytes, start, end);
      else this.#onControl(JSON.parse(bytes.toString("utf8", start, end)) as ControlMessage);
    } catch (error) {
      const text = error instanceof ContentError ? error.message : `unreadable: ${(error as Error).message}`;
      this.#context.stats.fault("content", text);
    }
  }

  /** Forgets what belonged to the connection that ended. */
  disconnected(): void {
    this.#subscribed = false;
    this.#requests = [];
    this.#gaps.clear();
    this.#catchUpLeft = 0;
    this.#lastValues.left = 0;
    this.#heartbeatSentAt = 0;
  }

  /** Requests the gateway's time, and the last number and offset that it sent. */
  sendHeartbeat(): void {
    if (this.#heartbeatSentAt !== 0) return;
    this.#heartbeatSentAt = wallMicros();
    this.#events.send({ type: "heartbeat" });
  }

  /** Ends the run for this client: `settled` turns true once everything up to `upTo` has arrived. */
  settle(upTo: number): void {
    this.#settledOffset = undefined;
    this.#dueUpTo = upTo;
    this.sendHeartbeat();
  }

  get settledOffset(): number | undefined {
    return this.#settledOffset;
  }

  /** True when everything that is due at the end of the run has arrived. */
  get settled(): boolean {
    return (this.#settledOffset ?? -1) >= (this.#dueUpTo ?? 0);
  }

  #onEnvelope(bytes: Buffer, start: number, end: number): void {
    const { messageIndex, stats } = this.#context;
    const now = wallMicros();
    stats.count("deliveries");
    stats.count("bytes", end - start);
    const envelope = messageIndex.read(bytes, start, end, now / 1000);
    if (envelope.isLast) return this.#onLastValue(envelope);
    const { seq, offset, message } = envelope;
    const requested = this.#catchUpLeft > 0;
    if (requested) {
      this.#catchUpLeft--;
      stats.count("caughtUp");
    }
    const live = !requested && !this.#options.slow;
    stats.delivery(message.dueMicros, live ? now - message.dueMicros : undefined);
    if (live && this.#rateCheck?.accepts(message.channel, now / 1000) === false)
      stats.fault("tooOften", `${message.channel} came more often than the client asked for`);
    this.#onOutcome(this.tracker.receive(seq, offset, this.#options.lookup));
  }

  /** Last values come in the order of their offsets, as many as the answer said. */
  #onLastValue({ seq, offset, message }: ReceivedEnvelope): void {
    const { stats } = this.#context;
    stats.count("lastValues");
    const isReplayed = seq <= this.tracker.seq;
    if (!isReplayed && this.#lastValues.left-- <= 0)
      stats.fault("content", `a last value of ${message.channel} that no answer announced`);
    else if (!isReplayed && offset <= this.#lastValues.offset)
      stats.fault("reorder", `the last value ${offset} arrived after ${this.#lastValues.offset}`);
    if (!isReplayed) this.#lastValues.offset = offset;
    this.#onOutcome(this.tracker.receiveLast(seq, offset, this.#options.lookup));
  }

  #onOutcome(outcome: Fault | Gap | undefined): void {
    if (outcome === undefined) return;
    if ("kind" in outcome) this.#context.stats.fault(outcome.kind, outcome.text);
    else this.#onGap(outcome);
  }

  #onGap(gap: Gap): void {
    this.#context.stats.count("gaps", gap.to - gap.from + 1);
    this.#gaps.add(gap);
  }

  #subscribe(reason: SubscribeRequest["reason"], since?: number): void {
    this.#requests.push({ reason, since: since ?? 0 });
    const { channels, maxRate } = this.#options;
    this.#events.send({
      type: "subscribe",
      channels,
      ...(since !== undefined && { since: { epoch: this.#epoch, offset: since } }),
      ...(maxRate !== undefined && { max_rate: maxRate }),
      ...(this.#wantsLast(reason) && { last: true }),
    });
  }

  /** With a rate, the newest message of a channel may have waited when the connection ended. */
  #wantsLast(reason: SubscribeRequest["reason"]): boolean {
    const { last, maxRate } = this.#options;
    return (last && reason === "first") || ((last || maxRate !== undefined) && reason === "resume");
  }

  #onControl(message: ControlMessage): void {
    const { stats } = this.#context;
    switch (message.type) {
      case "welcome":
        return this.#onWelcome(message);
      case "subscription_ack":
        return this.#onAck(message);
      case "heartbeat_ack":
        return this.#onHeartbeat(message);
      case "replay_end":
        return this.#onReplayEnd(message);
      case "throttle_update":
        stats.count("throttled");
        return this.#onThrottle(message);
      case "reconnect":
        return this.#events.reconnectWindow({ min_ms: message.in_ms, max_ms: message.in_ms });
      case "error":
        return stats.fault("error", `${message.code}: ${message.message}`);
      default:
        return stats.fault("content", `a message of unknown type: ${JSON.stringify(message).slice(0, 120)}`);
    }
  }

  #onWelcome({ epoch, reconnect, encoding }: Message<"welcome">): void {
    if (this.#options.compact !== undefined && encoding !== "compact")
      this.#context.stats.fault("error", "the gateway does not use the compact encoding (WS_COMPACT)");
    if (!this.#context.accepts(epoch) || (this.#epoch !== "" && this.#epoch !== epoch))
      this.#onNewEpoch(epoch);
    this.#epoch = epoch;
    this.#events.reconnectWindow(reconnect);
    if (this.tracker.started) {
      const { resumeOffset } = this.tracker;
      this.tracker.reconnected();
      this.#subscribe("resume", resumeOffset);
    } else this.#subscribe("first");
    this.#heartbeatSentAt = wallMicros();
    // The answer carries the offset above which everything is due to this client.
    this.#events.send({ type: "heartbeat" });
  }

  #onNewEpoch(epoch: string): void {
    const before = this.#epoch || "the epoch of the other clients";
    this.#context.stats.fault("epoch", `the stream was replaced: epoch ${epoch} instead of ${before}`);
    this.tracker.reset();
  }

  #onAck({ recovered, replayed = 0, last }: Message<"subscription_ack">): void {
    const request = this.#requests.shift();
    this.#catchUpLeft += replayed;
    if (request !== undefined && this.#wantsLast(request.reason)) {
      if (last === undefined)
        this.#context.stats.fault("error", "the gateway keeps no last values (WS_LAST_VALUES)");
      this.#lastValues = { left: last ?? 0, offset: 0 };
    }
    if (request === undefined || request.reason === "first") return;
    const { reason, since } = request;
    if (reason !== "gap") this.tracker.dropsEnded(recovered === true);
    if (recovered === true) {
      if (reason === "resume") this.#context.stats.count("resumed");
      return;
    }
    if (!this.#options.slow) this.#context.stats.count("notRecovered");
    // After a resume, the heartbeat's answer will carry the end of the range that is not recovered.
    if (reason === "resume") this.#notRecoveredFrom = since;
    else this.tracker.notRecovered(since);
  }

  #onReplayEnd({ missing }: Message<"replay_end">): void {
    const { resumeOffset } = this.tracker;
    const gap = this.#gaps.answered();
    if (missing > 0 && gap !== undefined) {
      this.tracker.abandonGap(gap);
      this.tracker.requestedAgain(resumeOffset);
      this.#subscribe("gap", resumeOffset);
    }
    this.#gaps.requestNext();
  }

  #onHeartbeat({ ts, seq, offset }: Message<"heartbeat_ack">): void {
    const { stats } = this.#context;
    const now = wallMicros();
    const roundTrip = now - this.#heartbeatSentAt;
    this.#heartbeatSentAt = 0;
    if (!this.#subscribed) this.#onSubscribed(offset);
    // At the end of a run all clients send heartbeats at once and delay each other, so those are not
    // measured.
    else if (!this.#options.slow && this.#dueUpTo === undefined) {
      stats.time("roundTrip", roundTrip);
      stats.clock(roundTrip / 1000, ts - (now - roundTrip / 2) / 1000);
    }
    const gap = this.tracker.advanceSeq(seq);
    if (gap !== undefined) this.#onGap(gap);
    if (this.tracker.missingSeqs > 0 || this.#requests.length > 0) return;
    this.#settledOffset = offset;
    this.tracker.advanceOffset(offset);
  }

  #onSubscribed(offset: number): void {
    this.#subscribed = true;
    this.#events.subscribed();
    this.tracker.start(offset, this.#options.lookup);
    if (this.#notRecoveredFrom !== undefined) this.tracker.notRecovered(this.#notRecoveredFrom, offset);
    this.#notRecoveredFrom = undefined;
    this.#context.stats.count("served");
  }

  #onThrottle({ level, since, dropped }: Message<"throttle_update">): void {
    if (since.epoch !== this.#epoch) {
      this.#onNewEpoch(since.epoch);
      this.#context.accepts(since.epoch);
      this.#epoch = since.epoch;
      this.tracker.start(since.offset, this.#options.lookup);
      return;
    }
    if (level > 0) {
      this.throttled = true;
      this.tracker.dropsBegan(since.offset);
    } else if (dropped > 0) {
      this.tracker.requestedAgain(since.offset);
      this.#subscribe("backfill", since.offset);
    } else this.tracker.dropsEnded(true);
  }
}
