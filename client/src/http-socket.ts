/**
 * Looks like a WebSocket of a gateway and gets its messages over HTTP: answers the client's requests as a
 * gateway does, and numbers the envelopes. It polls `GET /poll`. Where the network lets server-sent events
 * through, it reads `GET /events` instead. Both begin behind the same position, so nothing is missing when
 * one replaces the other, and what both bring is passed on once.
 */

import type { ClientMessage, Position, ServerMessage, Since } from "@odin-ws/protocol";
import { addressOf, askPoll, catchUp, type Poll } from "./http-polls.ts";
import { FIRST_EVENT_MS, isSilent, judge, newStream, offsetOf, type Stream } from "./http-stream.ts";
import { readEvents, type ServerEvent } from "./server-events.ts";
import type { Socket } from "./types.ts";

export interface HttpSocketOptions {
  pollMs: number;
  /** Whether to read server-sent events where they work. */
  stream: boolean;
  fetch: typeof fetch;
}

/** Failed polls in a row that end the connection. */
const MAX_FAILURES = 2;
/** A position of polls is at most this old: well below the 30 s after which it leaves the history. */
const QUIET_MS = 8000; // 8 s
/** After a change of channels: other changes often follow. */
const SETTLE_MS = 200;
/** Streams before a live one that is older than this no longer count. */
const PROVEN_MS = 60_000; // 1 min
/** Wait before another stream, ms. */
const RETRY_MS = [500, 3000] as const;
/** Streams that did not work, after which this connection only polls. */
const MAX_BAD_STREAMS = 3;
/** Close codes: the connection broke; the gateway asks to come back; the token has expired. */
const LOST = 1006;
const RESTART = 1012;
const TOKEN_EXPIRED = 4401;
const UNAUTHORIZED = 401;
/** The client comes back after this time at most, when a WebSocket works. */
const RETURN_MS = 200;

export class HttpSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly #options: HttpSocketOptions;
  readonly #url: URL;
  readonly #channels = new Set<string>();
  /** The client has everything of its channels up to this offset. */
  #at: Position = { epoch: "", offset: 0 };
  /**
   * Position of the polls. The position stays while the channels are quiet, so that the address of the polls
   * stays, and the browser's cache can ask whether something is new.
   */
  #pollFrom: Position = this.#at;
  #pollFromAt = 0;
  #seq = 0;
  #failures = 0;
  #badStreams = 0;
  #stream: Stream | undefined;
  #held = false;
  #ended = false;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #streamTimer: ReturnType<typeof setTimeout> | undefined;
  /** The running poll. */
  #asking: AbortController | undefined;
  readonly #poll = (channels: readonly string[], since?: Since): Promise<Poll> => {
    this.#asking = new AbortController();
    return askPoll(this.#options.fetch, addressOf(this.#url, "poll", channels, since), this.#asking);
  };
  /** Requests and polls are handled one after the other, because their answers must come in this order. */
  #queue: Promise<void>;

  constructor(url: string, options: HttpSocketOptions) {
    this.#options = options;
    this.#url = new URL(url.replace(/^ws/, "http"));
    this.#queue = this.#open();
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    this.#enqueue(() => this.#handle(message));
  }

  /** While a connection is held, it polls and has no stream, which would take a seat. */
  hold(held: boolean): void {
    this.#held = held;
    this.#streamLater(SETTLE_MS);
  }

  /** Asks the client to connect again at once. */
  leave(reason: string): void {
    this.#say({ type: "reconnect", in_ms: 1 + Math.random() * RETURN_MS, reason });
    this.#close(RESTART, reason);
  }

  close(): void {
    this.#ended = true;
    this.#asking?.abort();
    this.#endStream();
    clearTimeout(this.#pollTimer);
    this.onmessage = this.onclose = null;
  }

  #close(code: number, reason: string): void {
    const { onclose } = this;
    this.close();
    onclose?.({ code, reason });
  }

  #say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Runs `task` after everything that was enqueued before. */
  #enqueue(task: () => Promise<void>): void {
    this.#queue = this.#queue
      .then(() => (this.#ended ? undefined : task()))
      .catch(() => this.#close(LOST, "lost"));
  }

  async #open(): Promise<void> {
    try {
      const { epoch, offset } = await this.#poll([]);
      this.#at = { epoch, offset };
      const reconnect = { min_ms: 500, max_ms: 5000 };
      const names = { connection: "http", instance: "http" };
      this.#say({ type: "welcome", ...names, epoch, offset, heartbeat_seconds: 25, reconnect });
      this.#pollLater();
    } catch {
      this.#close(LOST, "refused");
    }
  }

  // ——— requests of the client ———

  async #handle(message: ClientMessage): Promise<void> {
    switch (message.type) {
      case "subscribe":
        return this.#subscribe(message.channels, message.since);
      case "unsubscribe":
        for (const channel of message.channels) this.#channels.delete(channel);
        this.#streamLater(SETTLE_MS);
        return this.#acknowledge();
      case "auth":
        this.#url.searchParams.set("auth", message.token);
        return this.#acknowledge();
      case "replay": {
        // There are no gaps, so that nothing can be sent again.
        const { from_seq, to_seq } = message;
        return this.#say({ type: "replay_end", from_seq, to_seq, sent: 0, missing: 0 });
      }
      case "heartbeat":
        await this.#checkStream();
        return this.#say({ type: "heartbeat_ack", ts: Date.now(), seq: this.#seq, offset: this.#at.offset });
    }
  }

  async #subscribe(channels: readonly string[], since: Since | undefined): Promise<void> {
    const { recovered, messages, wentBack } = since
      ? await catchUp(this.#poll, channels, since, () => this.#at)
      : {};
    for (const channel of channels) this.#channels.add(channel);
    // A stream that is open brings only the channels from before.
    this.#streamLater(SETTLE_MS);
    const subscribed = [...this.#channels];
    const resumed = recovered !== undefined && { recovered, replayed: messages?.length ?? 0 };
    this.#say({ type: "subscription_ack", subscribed, count: subscribed.length, ...resumed });
    if (wentBack) this.#sayOtherStream();
    for (const message of messages ?? []) this.#deliver(JSON.stringify(message));
  }

  /**
   * The client would take new messages at offsets that it has received before for repetitions. So this
   * connection gets an epoch of its own, as if the stream had been replaced.
   */
  #sayOtherStream(): void {
    const { epoch, offset } = this.#at;
    this.#say({
      type: "throttle_update",
      level: 0,
      rate_percent: 100,
      dropped: 0,
      since: { epoch: `${epoch}.http`, offset },
      message: "the stream went back: offsets restart, fetch the current state",
    });
  }

  #acknowledge(): void {
    const subscribed = [...this.#channels];
    this.#say({ type: "subscription_ack", subscribed, count: subscribed.length });
  }

  /** `text`: JSON of an envelope without `seq`. */
  #deliver(text: string): void {
    this.onmessage?.({ data: `{"seq":${++this.#seq},${text.slice(1)}` });
  }

  // ——— polls ———

  #pollLater(): void {
    clearTimeout(this.#pollTimer);
    if (this.#ended || this.#stream?.live) return;
    // Random, so that clients that began together do not poll together.
    const wait = this.#options.pollMs * (0.9 + Math.random() * 0.2);
    this.#pollTimer = setTimeout(() => this.#enqueue(() => this.#next()), wait);
  }

  async #next(): Promise<void> {
    try {
      const poll = await this.#poll([...this.#channels], this.#quietPosition);
      this.#failures = 0;
      // The client resumes on the next connection, and then learns what is lost.
      if (!poll.recovered || poll.epoch !== this.#at.epoch) return this.#close(LOST, "lost");
      for (const message of poll.messages) {
        // A stream may have been faster.
        if (message.offset > this.#at.offset) this.#deliver(JSON.stringify(message));
      }
      this.#reached(poll.offset);
      if (poll.messages.length > 0) this.#pollFromAt = 0;
    } catch (error) {
      if (this.#ended) return;
      if (error === UNAUTHORIZED) return this.#close(TOKEN_EXPIRED, "token expired");
      if (++this.#failures >= MAX_FAILURES) return this.#close(LOST, "lost");
    }
    this.#pollLater();
  }

  get #quietPosition(): Position {
    const now = performance.now();
    if (this.#pollFromAt === 0 || now - this.#pollFromAt > QUIET_MS) {
      this.#pollFrom = this.#at;
      this.#pollFromAt = now;
    }
    return this.#pollFrom;
  }

  #reached(offset: number): void {
    if (offset > this.#at.offset) this.#at = { ...this.#at, offset };
  }

  // ——— server-sent events ———

  /** Ends the stream, and opens one for the present channels after a while. Until then the client polls. */
  #streamLater(wait: number): void {
    const wasLive = this.#stream?.live;
    this.#endStream();
    if (this.#ended) return;
    if (wasLive) this.#pollLater();
    const { stream } = this.#options;
    if (!stream || this.#held || this.#badStreams >= MAX_BAD_STREAMS || this.#channels.size === 0) return;
    this.#streamTimer = setTimeout(() => void this.#readStream(), wait);
  }

  #endStream(): void {
    clearTimeout(this.#streamTimer);
    this.#stream?.end.abort();
    this.#stream = undefined;
  }

  async #readStream(): Promise<void> {
    const stream = newStream();
    this.#stream = stream;
    const late = setTimeout(() => stream.end.abort(), FIRST_EVENT_MS);
    const { fetch } = this.#options;
    const address = addressOf(this.#url, "events", [...this.#channels], this.#at);
    try {
      const { status, body } = await fetch(address, { signal: stream.end.signal });
      if (status === 200 && body) {
        await readEvents(body, (events) => {
          clearTimeout(late);
          if (this.#stream !== stream) return;
          judge(stream, events, this.#at.offset);
          if (stream.live) {
            // The stream replaces the polls.
            clearTimeout(this.#pollTimer);
            if (stream.heardAt - stream.openedAt > PROVEN_MS) this.#badStreams = 0;
          }
          for (const event of events) if (this.#stream === stream) this.#take(event, stream);
        });
      }
    } catch {} // The stream broke, or was held back.
    clearTimeout(late);
    if (this.#stream !== stream) return;
    // A gateway ends streams, too; then the next one continues.
    if (!stream.live) this.#badStreams++;
    this.#streamAgain();
  }

  #streamAgain(): void {
    const [min, max] = RETRY_MS;
    this.#streamLater(min + Math.random() * (max - min));
  }

  #take(event: ServerEvent, stream: Stream): void {
    const { name, data } = event;
    if (name === "welcome") {
      stream.welcomedAt = performance.now();
      const { recovered, epoch } = JSON.parse(data) as Poll;
      if (!recovered || epoch !== this.#at.epoch) this.#close(LOST, "lost");
      return;
    }
    if (stream.welcomedAt === undefined) return; // Of something else than a gateway.
    const offset = offsetOf(event);
    // A poll may have been faster.
    if (data && offset > this.#at.offset) this.#deliver(data);
    this.#reached(offset);
  }

  /** A stream that is silent may be held back, or the network may be gone: a poll shows which. */
  async #checkStream(): Promise<void> {
    const stream = this.#stream;
    if (!stream || !isSilent(stream)) return;
    this.#badStreams++;
    this.#streamAgain();
    if (stream.live) await this.#next();
  }
}
