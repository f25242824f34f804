/**
 * Looks like a WebSocket of a gateway and polls `GET /poll`: answers the client's requests as a gateway does,
 * and numbers the envelopes.
 */

import type { ClientMessage, Envelope, ServerMessage } from "@odin-ws/protocol";
import type { Socket } from "./types.ts";

export interface HttpSocketOptions {
  pollMs: number;
  /** The socket closes after this time, so that the client tries the WebSocket; Infinity: never. */
  lifeMs: number;
  fetch: typeof fetch;
}

interface Position {
  epoch: string;
  offset: number;
}

interface Poll extends Position {
  recovered: boolean;
  messages: Omit<Envelope, "seq">[];
}

/** A poll that has no answer after this time counts as failed. */
const PATIENCE_MS = 10_000; // 10 s
/** Failed polls in a row that end the connection. */
const MAX_FAILURES = 2;
/** Close codes: the connection broke, and the gateway asks to come back. */
const LOST = 1006;
const RESTART = 1012;

/** Functions of JSON that keep the text of a number; not in every browser. */
const { rawJSON } = JSON as { rawJSON?: (text: string) => unknown };

/** Keeps numbers that JavaScript cannot hold, such as integers above 2 ** 53, for the option `parse`. */
function exact(_name: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  const changed = typeof value === "number" && source !== undefined && String(value) !== source;
  return changed && rawJSON ? rawJSON(source) : value;
}

export class HttpSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly #options: HttpSocketOptions;
  readonly #url: URL;
  readonly #end = new AbortController();
  readonly #channels = new Set<string>();
  readonly #endAt: number;
  #at: Position = { epoch: "", offset: 0 };
  #seq = 0;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Requests are handled one after the other, because their answers must come in this order. */
  #queue: Promise<void>;

  constructor(url: string, options: HttpSocketOptions) {
    this.#options = options;
    this.#url = new URL(url.replace(/^ws/, "http"));
    this.#url.pathname = this.#url.pathname.replace(/[^/]*$/, "poll");
    // Of the compact encoding, which is for WebSockets.
    for (const name of ["encoding", "dictionaries"]) this.#url.searchParams.delete(name);
    this.#endAt = performance.now() + options.lifeMs;
    this.#queue = this.#open();
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    this.#queue = this.#queue.then(() => this.#handle(message)).catch(() => this.#close(LOST, "lost"));
  }

  close(): void {
    this.#end.abort();
    clearTimeout(this.#timer);
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

  async #open(): Promise<void> {
    try {
      const { epoch, offset } = (await this.#poll([])) as Poll;
      this.#at = { epoch, offset };
      const reconnect = { min_ms: 500, max_ms: 5000 };
      const names = { connection: "http", instance: "http" };
      this.#say({ type: "welcome", ...names, epoch, offset, heartbeat_seconds: 25, reconnect });
      this.#later();
    } catch {
      this.#close(LOST, "refused");
    }
  }

  async #handle(message: ClientMessage): Promise<void> {
    switch (message.type) {
      case "subscribe":
        return this.#subscribe(message.channels, message.since);
      case "unsubscribe":
        for (const channel of message.channels) this.#channels.delete(channel);
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
        return this.#say({ type: "heartbeat_ack", ts: Date.now(), seq: this.#seq, offset: this.#at.offset });
    }
  }

  async #subscribe(channels: readonly string[], since: Position | undefined): Promise<void> {
    if (since === undefined) {
      for (const channel of channels) this.#channels.add(channel);
      return this.#acknowledge();
    }
    const found: Poll["messages"] = [];
    let recovered = true;
    for (let from = since; recovered && from.offset < this.#at.offset; ) {
      const poll = (await this.#poll(channels, from)) as Poll;
      recovered = poll.recovered;
      if (poll.offset <= from.offset) break;
      // Later messages come with the next poll of all channels.
      if (recovered) found.push(...poll.messages.filter(({ offset }) => offset <= this.#at.offset));
      from = poll;
    }
    recovered &&= since.epoch === this.#at.epoch;
    for (const channel of channels) this.#channels.add(channel);
    this.#acknowledge({ recovered, replayed: recovered ? found.length : 0 });
    if (recovered) this.#deliver(found);
  }

  #acknowledge(resumed: { recovered?: boolean; replayed?: number } = {}): void {
    const subscribed = [...this.#channels];
    this.#say({ type: "subscription_ack", subscribed, count: subscribed.length, ...resumed });
  }

  #deliver(messages: Poll["messages"]): void {
    for (const message of messages) this.#say({ ...message, seq: ++this.#seq } as Envelope);
  }

  #later(): void {
    // Random, so that clients that began together do not poll together.
    const wait = this.#options.pollMs * (0.9 + Math.random() * 0.2);
    this.#timer = setTimeout(() => {
      if (performance.now() > this.#endAt) return this.#close(RESTART, "trying the WebSocket again");
      this.#queue = this.#queue.then(() => this.#next());
    }, wait);
  }

  async #next(): Promise<void> {
    if (this.#end.signal.aborted) return;
    try {
      const poll = await this.#poll([...this.#channels], this.#at);
      this.#failures = 0;
      // Not modified: there is nothing new.
      if (poll !== undefined) {
        // The client resumes on the next connection, and then learns what is lost.
        if (!poll.recovered || poll.epoch !== this.#at.epoch) return this.#close(LOST, "lost");
        this.#deliver(poll.messages);
        this.#at = { epoch: poll.epoch, offset: poll.offset };
      }
    } catch {
      if (++this.#failures >= MAX_FAILURES) return this.#close(LOST, "lost");
    }
    if (!this.#end.signal.aborted) this.#later();
  }

  /** Undefined when the gateway has answered 304. */
  async #poll(channels: readonly string[], since?: Position): Promise<Poll | undefined> {
    const url = new URL(this.#url);
    url.searchParams.set("channels", channels.join());
    if (since) url.searchParams.set("since", `${since.epoch}:${since.offset}`);
    const signal = AbortSignal.any([this.#end.signal, AbortSignal.timeout(PATIENCE_MS)]);
    const answer = await this.#options.fetch(url, { signal });
    if (answer.status === 304) return undefined;
    if (answer.status !== 200) throw new Error(`status ${answer.status}`);
    return JSON.parse(await answer.text(), exact) as Poll;
  }
}
