/** One client as PROTOCOL.md wants it: it subscribes, asks for what it missed, comes back and resumes. */

import type { ControlMessage } from "@odin-ws/protocol";
import { wallMicros } from "../traffic/clock.ts";
import { Account, type Gap } from "./account.ts";
import { BrokenContent, looksLikeEnvelope } from "./book.ts";
import type { Crowd, Request, SubscriberOptions } from "./crowd.ts";
import { GapQueue } from "./gap-queue.ts";
import { Link, type LinkEnd } from "./link.ts";
import { Patience } from "./patience.ts";
import { WaitTime } from "./wait-time.ts";

export class Subscriber {
  readonly options: SubscriberOptions;
  readonly account = new Account();
  readonly #crowd: Crowd;
  #link: Link | undefined;
  #timer: NodeJS.Timeout | undefined;
  state: "away" | "opening" | "ready" | "stopped" = "away";
  readonly #wait: WaitTime;
  #epoch = "";
  readonly #patience = new Patience();
  #requests: Request[] = [];
  readonly #gaps = new GapQueue(({ from, to }) => {
    this.#crowd.tally.count("replays");
    this.#link?.send({ type: "replay", from_seq: from, to_seq: to });
  });
  /** Envelopes that come now because they were asked for. */
  #backlog = 0;
  #probedAt = 0;
  /** The gateway could not give what came after this offset; undefined: it could. */
  #goneFrom: number | undefined;
  /** Up to here all has come, as of the last heartbeat. */
  restedAt: number | undefined;
  /** Set at the end of a run: up to here all is due. */
  #owedUpTo: number | undefined;
  told = false;
  closedAsSlow = false;

  constructor(options: SubscriberOptions, crowd: Crowd) {
    this.options = options;
    this.#crowd = crowd;
    this.#wait = new WaitTime(crowd.tally);
  }

  /** @param dueAt when the schedule wanted it, µs: what it waits for its turn counts as time to connect */
  connect(dueAt: number): void {
    this.#wait.begin(dueAt);
    this.#dial();
  }

  #dial(): void {
    this.state = "opening";
    this.#link = new Link(this.options, {
      text: (bytes, start, end) => this.#onText(bytes, start, end),
      ended: (end) => this.#onEnded(end),
    });
  }

  /** Breaks the connection; it comes back as after any break. */
  cut(): void {
    if (this.state !== "ready") return;
    this.#link?.cut();
    this.#comeBack();
  }

  set reading(reading: boolean) {
    if (this.#link !== undefined) this.#link.reading = reading;
  }

  /** Asks for the gateway's time and the last number that it gave out. */
  probe(): void {
    if (this.state !== "ready" || this.#probedAt !== 0) return;
    this.#probedAt = wallMicros();
    this.#link?.send({ type: "heartbeat" });
  }

  /** The end of the run: `restedAt` is to reach this offset, with no gap open. */
  rest(upTo: number): void {
    this.restedAt = undefined;
    this.#owedUpTo = upTo;
    this.probe();
  }

  /** Has all that it is owed up to the end of the run. */
  get settled(): boolean {
    return this.state === "ready" && (this.restedAt ?? -1) >= (this.#owedUpTo ?? 0);
  }

  /** Nothing more is to come to it. */
  unsubscribe(): void {
    if (this.state === "ready") this.#link?.send({ type: "unsubscribe", channels: this.options.channels });
  }

  /** Counts how long it has waited in vain by now; else only those that were served would tell how long it takes. */
  countWait(): void {
    if (this.state !== "ready") this.#wait.end(this.account.begun ? "resume" : "connect");
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#wait.giveUp();
    if (this.state === "opening") this.#link?.cut();
    else this.#link?.close();
    this.state = "stopped";
  }

  get linked(): boolean {
    return this.#link?.ended === false;
  }

  drop(): void {
    this.#link?.cut();
  }

  #onText(bytes: Buffer, start: number, end: number): void {
    const { tally } = this.#crowd;
    try {
      if (looksLikeEnvelope(bytes, start)) this.#onEnvelope(bytes, start, end);
      else this.#onControl(JSON.parse(bytes.toString("utf8", start, end)) as ControlMessage);
    } catch (error) {
      const text = error instanceof BrokenContent ? error.message : `unreadable: ${(error as Error).message}`;
      tally.fault("content", text);
    }
  }

  #onEnvelope(bytes: Buffer, start: number, end: number): void {
    const { book, tally } = this.#crowd;
    const now = wallMicros();
    tally.count("deliveries");
    tally.count("bytes", end - start);
    const { seq, offset, known } = book.read(bytes, start, end, now / 1000);
    const asked = this.#backlog > 0;
    if (asked) {
      this.#backlog--;
      tally.count("caughtUp");
    }
    tally.delivery(known.sinceMicros, asked || this.options.slow ? undefined : now - known.sinceMicros);
    const outcome = this.account.take(seq, offset, this.options.lookup);
    if (outcome === undefined) return;
    if ("kind" in outcome) tally.fault(outcome.kind, outcome.text);
    else this.#onGap(outcome);
  }

  #onGap(gap: Gap): void {
    this.#crowd.tally.count("gaps", gap.to - gap.from + 1);
    this.#gaps.add(gap);
  }

  #subscribe(why: Request["why"], since?: number): void {
    this.#requests.push({ why, since: since ?? 0 });
    const position = since === undefined ? {} : { since: { epoch: this.#epoch, offset: since } };
    this.#link?.send({ type: "subscribe", channels: this.options.channels, ...position });
  }

  #onControl(message: ControlMessage): void {
    const { tally } = this.#crowd;
    switch (message.type) {
      case "welcome":
        return this.#onWelcome(message);
      case "subscription_ack":
        return this.#onAck(message.recovered, message.replayed ?? 0);
      case "heartbeat_ack":
        return this.#onHeartbeat(message);
      case "replay_end": {
        const position = this.account.position;
        const gap = this.#gaps.answered();
        if (message.missing > 0 && gap !== undefined) {
          this.account.giveUp(gap);
          this.account.refill(position);
          this.#subscribe("refill", position);
        }
        return this.#gaps.ask();
      }
      case "throttle_update":
        tally.count("throttled");
        return this.#onThrottle(message);
      case "reconnect":
        this.#patience.told({ min_ms: message.in_ms, max_ms: message.in_ms });
        return undefined;
      case "error":
        return tally.fault("error", `${message.code}: ${message.message}`);
      default:
        return tally.fault("content", `a message of no known type: ${JSON.stringify(message).slice(0, 120)}`);
    }
  }

  #onWelcome({ epoch, reconnect }: Extract<ControlMessage, { type: "welcome" }>): void {
    if (!this.#crowd.accepts(epoch) || (this.#epoch !== "" && this.#epoch !== epoch)) this.#replaced(epoch);
    this.#epoch = epoch;
    this.#patience.told(reconnect);
    if (this.account.begun) {
      const { position } = this.account;
      this.account.reconnected();
      this.#subscribe("resume", position);
    } else this.#subscribe("first");
    this.#probedAt = wallMicros();
    // Its answer has the place in the stream behind which everything is due.
    this.#link?.send({ type: "heartbeat" });
  }

  #replaced(epoch: string): void {
    this.#crowd.tally.fault(
      "epoch",
      `the stream was replaced: epoch ${epoch} in place of ${this.#epoch || "another"}`,
    );
    this.account.restart();
  }

  #onAck(recovered: boolean | undefined, replayed: number): void {
    const request = this.#requests.shift();
    this.#backlog += replayed;
    if (request === undefined || request.why === "first") return;
    const { why, since } = request;
    if (why !== "refill") this.account.madeGood(recovered === true);
    if (recovered === true) {
      if (why === "resume") this.#crowd.tally.count("resumed");
      return;
    }
    if (!this.options.slow) this.#crowd.tally.count("notRecovered");
    if (why === "resume") this.#goneFrom = since;
    else this.account.excuse(since);
  }

  #onHeartbeat({ ts, seq, offset }: Extract<ControlMessage, { type: "heartbeat_ack" }>): void {
    const { tally } = this.#crowd;
    const now = wallMicros();
    const roundTrip = now - this.#probedAt;
    this.#probedAt = 0;
    if (this.state === "opening") this.#onReady(offset);
    // All clients at once, at the end of a run, measure nothing but each other.
    else if (!this.options.slow && this.#owedUpTo === undefined) {
      tally.time("roundTrip", roundTrip);
      tally.clock(roundTrip / 1000, ts - (now - roundTrip / 2) / 1000);
    }
    const gap = this.account.given(seq);
    if (gap !== undefined) this.#onGap(gap);
    if (this.account.open > 0 || this.#requests.length > 0) return;
    this.restedAt = offset;
    this.account.reached(offset);
  }

  #onReady(offset: number): void {
    const { tally } = this.#crowd;
    this.#wait.end(this.account.begun ? "resume" : "connect");
    this.state = "ready";
    this.#patience.succeeded();
    this.account.begin(offset);
    if (this.#goneFrom !== undefined) this.account.excuse(this.#goneFrom, offset);
    this.#goneFrom = undefined;
    tally.count("served");
  }

  #onThrottle({ level, since, dropped }: Extract<ControlMessage, { type: "throttle_update" }>): void {
    if (since.epoch !== this.#epoch) {
      this.#replaced(since.epoch);
      this.#crowd.accepts(since.epoch);
      this.#epoch = since.epoch;
      this.account.begin(since.offset);
      return;
    }
    if (level > 0) {
      this.told = true;
      this.account.leftOut(since.offset);
    } else if (dropped > 0) {
      this.account.refill(since.offset);
      this.#subscribe("makeGood", since.offset);
    } else this.account.madeGood(true);
  }

  #onEnded({ reason, retryAfterMs }: LinkEnd): void {
    const { tally } = this.#crowd;
    if (this.state === "stopped") return;
    if (this.state === "opening") {
      tally.refused(reason);
      return this.#dialIn(this.#patience.afterRefusal(retryAfterMs));
    }
    tally.ended(reason);
    // With 1008, or without a word: its close frame waits behind what is not read.
    if (this.options.slow) this.closedAsSlow = true;
    else if (!this.#crowd.breaksWanted) tally.fault("ended", reason);
    this.#comeBack();
  }

  #comeBack(): void {
    this.#wait.begin();
    this.#dialIn(this.#crowd.atOnce ? 0 : this.#patience.afterBreak());
  }

  #dialIn(ms: number): void {
    this.state = "away";
    this.#requests = [];
    this.#gaps.clear();
    this.#backlog = 0;
    this.#probedAt = 0;
    this.#timer = setTimeout(() => this.#dial(), ms);
  }
}
