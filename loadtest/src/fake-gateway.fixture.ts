/** A gateway that can be told to be wrong, for the tests of what the load test finds. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { matcher } from "./traffic/plan.ts";

/** What it does wrong, with one message and one client if nothing else is said. */
export type Wrong =
  | "nothing"
  | "drop"
  | "drop-with-gap"
  /** To everybody. */
  | "drop-for-all"
  /** From some moment on it gives a message only once there is the next one of the channel. */
  | "drop-last"
  | "duplicate"
  | "reorder"
  /** Later than the audit that misses it. */
  | "late-reorder"
  | "alter"
  | "misdirect"
  | "forget"
  | "unasked"
  | "close"
  /** Every message, by LATE. */
  | "late"
  /** From some moment on, for STALL, nobody gets anything. */
  | "stall"
  /** The same for good, as when it no longer hears of the stream; it answers as if there was nothing new. */
  | "cut-off"
  /** From some moment on it answers no heartbeat. */
  | "mute"
  /** It says to everybody that nothing was missed. */
  | "lie-on-resume"
  | "miscount";

interface Client {
  socket: WebSocket;
  matches: (channel: string) => boolean;
  seq: number;
  /** Sent, by seq. */
  ring: Map<number, string>;
  wrong: boolean;
  greeted?: boolean;
}

interface Message {
  offset: number;
  channel: string;
  data: object;
  ts: number;
}

const EVERY = 20; // ms between two messages
const WRONG_AT = 30; // messages after the beginning
const LATE = 400; // ms
const STALL = 3000; // ms
/** An audit looks for a message 3 s after somebody has it. */
const AFTER_AUDIT = 4300; // ms: audits are made once a second
const CHANNELS = ["BTC.trade", "ETH.trade", "SOL.liquidity", "global.trending"];

export class FakeGateway {
  readonly #wrong: Wrong;
  readonly #own: boolean;
  /** What goes wrong goes wrong on this channel, which several clients have. */
  readonly #wrongOn: string;
  readonly #http = createServer();
  readonly #ops = createServer((_request, response) => response.end(this.#metrics()));
  readonly clients = new Set<Client>();
  readonly #history: Message[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Of the stream, and of what the gateway has heard of it. */
  #stored = 0;
  #offset = 0;
  #chosen: Client | undefined;
  #wrongAt = Number.POSITIVE_INFINITY;
  /** Of the stream, while the gateway does not hear of it. */
  #unheard: Message[] | undefined;
  /** Of the chosen client: comes behind the next one of the channel. */
  #withheld: Message | undefined;
  /** Envelopes to clients. */
  sent = 0;
  /** How often it went wrong. */
  done = 0;

  /** @param own channel that goes wrong when the test publishes: it does with `publish` */
  constructor(wrong: Wrong, own?: string) {
    this.#wrong = wrong;
    this.#own = own !== undefined;
    this.#wrongOn = own ?? "global.trending";
  }

  async start(): Promise<{ url: string; metrics: string }> {
    const server = new WebSocketServer({ server: this.#http });
    server.on("connection", (socket) => this.#onConnection(socket));
    const ports = await Promise.all([this.#http, this.#ops].map(listen));
    const begin = performance.now();
    const tick = () => {
      while (this.#stored * EVERY < performance.now() - begin)
        this.publish(CHANNELS[this.#stored % CHANNELS.length] as string, { n: this.#stored });
    };
    if (!this.#own) this.#timer = setInterval(tick, EVERY);
    return { url: `ws://127.0.0.1:${ports[0]}/ws`, metrics: `http://127.0.0.1:${ports[1]}/metrics` };
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const { socket } of this.clients) socket.terminate();
    for (const server of [this.#http, this.#ops]) {
      server.closeAllConnections();
      server.close();
    }
  }

  #metrics(): string {
    const factor = this.#wrong === "miscount" ? 2 : 1;
    return [
      `ws_connections_current ${this.clients.size}`,
      "ws_connections_rejected_total 0",
      `ws_messages_sent_total ${this.sent * factor}`,
      "ws_cpu_usage_percent 1",
      "ws_memory_usage_bytes 1000000\n",
    ].join("\n");
  }

  #onConnection(socket: WebSocket): void {
    const client: Client = { socket, matches: () => false, seq: 0, ring: new Map(), wrong: false };
    this.clients.add(client);
    socket.on("close", () => this.clients.delete(client));
    const say = (message: object) => socket.send(JSON.stringify(message));
    say({
      ...{ type: "welcome", connection: "c", instance: "fake", epoch: "e", offset: this.#offset },
      ...{ heartbeat_seconds: 25, reconnect: { min_ms: 300, max_ms: 500 } },
    });
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.type === "heartbeat") {
        const mute = this.#wrong === "mute" && this.#stored >= this.#wrongAt;
        // Without the first one nobody would be there.
        if (client.greeted !== true || !mute)
          say({ type: "heartbeat_ack", ts: Date.now(), seq: client.seq, offset: this.#offset });
        client.greeted = true;
      } else if (message.type === "subscribe") this.#subscribe(client, message, say);
      else if (message.type === "replay") this.#replay(client, message, say);
      else client.matches = () => false; // unsubscribe
    });
  }

  #subscribe(
    client: Client,
    { channels, since }: { channels: string[]; since?: { offset: number } },
    say: (message: object) => void,
  ): void {
    client.matches = matcher(channels);
    // The first of the load's own clients with this channel; not the one that has a look before.
    if (this.#chosen === undefined && !channels.includes("*.*") && client.matches(this.#wrongOn)) {
      this.#chosen = client;
      client.wrong = true;
      this.#wrongAt = this.#stored + WRONG_AT;
    }
    const ack = { type: "subscription_ack", subscribed: channels, count: channels.length };
    if (since === undefined) return say(ack);
    const missed = this.#history.filter(
      ({ offset, channel }) => offset > since.offset && offset <= this.#offset && client.matches(channel),
    );
    const given = this.#wrong === "lie-on-resume" ? [] : missed;
    this.done += missed.length > given.length ? 1 : 0;
    say({ ...ack, recovered: true, replayed: given.length });
    for (const message of given) this.#deliver(client, message);
  }

  #replay(
    client: Client,
    { from_seq, to_seq }: { from_seq: number; to_seq: number },
    say: (message: object) => void,
  ): void {
    let sent = 0;
    for (let seq = from_seq; seq <= to_seq; seq++) {
      const text = client.ring.get(seq);
      if (text === undefined) continue;
      this.#write(client, text);
      sent++;
    }
    say({ type: "replay_end", from_seq, to_seq, sent, missing: to_seq - from_seq + 1 - sent });
  }

  /** Puts a message on the stream. Returns its offset. */
  publish(channel: string, data: object): number {
    const ts = Date.now() - (this.#wrong === "late" ? LATE : 0);
    const message = { offset: ++this.#stored, channel, ts, data };
    const stalls = this.#wrong === "stall" || this.#wrong === "cut-off";
    if (stalls && message.offset === this.#wrongAt) {
      this.done++;
      this.#unheard = [];
      if (this.#wrong === "stall") setTimeout(() => this.#hearAgain(), STALL);
    }
    if (this.#unheard === undefined) this.#onMessage(message);
    else this.#unheard.push(message);
    return message.offset;
  }

  #hearAgain(): void {
    const missed = this.#unheard ?? [];
    this.#unheard = undefined;
    for (const message of missed) this.#onMessage(message);
  }

  #onMessage(message: Message): void {
    const { offset, channel } = message;
    this.#offset = offset;
    this.#history.push(message);
    const due = offset >= this.#wrongAt && channel === this.#wrongOn;
    if (due && this.#wrong === "drop-for-all") {
      this.#wrongAt = Number.POSITIVE_INFINITY;
      this.done++;
      return;
    }
    for (const client of this.clients) {
      if (!client.matches(channel)) continue;
      if (client.wrong && due) this.#goWrong(client, message);
      else this.#deliver(client, message);
    }
  }

  #text(client: Client, { offset, ts, channel, data }: Message): string {
    const seq = ++client.seq;
    const text = JSON.stringify({ seq, offset, ts, type: "x:update", priority: "high", channel, data });
    client.ring.set(seq, text);
    return text;
  }

  #write(client: Client, text: string): void {
    this.sent++;
    client.socket.send(text);
  }

  #deliver(client: Client, message: Message): void {
    this.#write(client, this.#text(client, message));
  }

  #goWrong(client: Client, message: Message): void {
    const before = this.#withheld;
    // These need the next message of the channel as well.
    const last =
      this.#wrong === "drop-last" ||
      this.#wrong === "mute" ||
      (this.#wrong === "reorder" && before === undefined);
    if (!last) this.#wrongAt = Number.POSITIVE_INFINITY;
    if (before === undefined) this.done++;
    switch (this.#wrong) {
      case "drop":
        return;
      case "drop-with-gap":
        this.#text(client, message);
        return;
      case "drop-last":
        this.#withheld = message;
        if (before !== undefined) this.#deliver(client, before);
        return;
      case "duplicate":
        this.#deliver(client, message);
        return this.#deliver(client, message);
      case "reorder":
        this.#withheld = message;
        if (before === undefined) return;
        this.#deliver(client, message);
        return this.#deliver(client, before);
      case "late-reorder":
        setTimeout(() => this.#deliver(client, message), AFTER_AUDIT);
        return;
      case "alter":
        return this.#deliver(client, { ...message, data: { n: -1 } });
      case "misdirect":
        return this.#deliver(client, { ...message, channel: "global.new_listing" });
      case "forget":
        client.matches = () => false;
        return;
      case "unasked": {
        this.#deliver(client, message);
        // A message as any other but for its channel.
        const offset = ++this.#stored;
        this.#offset = offset;
        return this.#deliver(client, { ...message, offset, channel: "NOBODY.asked" });
      }
      case "close":
        client.wrong = false;
        return client.socket.close(1011);
      default:
        return this.#deliver(client, message);
    }
  }
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
