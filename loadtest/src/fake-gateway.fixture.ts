/** A gateway with a chosen defect, for tests of what the load test detects. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import type { Defect } from "./defects.fixture.ts";
import { matcher } from "./traffic/plan.ts";

export type { Defect } from "./defects.fixture.ts";

interface Client {
  socket: WebSocket;
  matches: (channel: string) => boolean;
  seq: number;
  /** Envelopes sent, by seq. */
  ring: Map<number, string>;
  /** The defect affects this client. */
  affected: boolean;
  /** The first heartbeat was answered. */
  acknowledged?: boolean;
  /** Time between two messages of a channel, ms; 0: all messages. */
  intervalMs: number;
  /** By channel: the time from which the next message may be sent, and the newest message that waits. */
  turns: Map<string, { at: number; waiting: Message | undefined }>;
}

interface Message {
  offset: number;
  channel: string;
  data: object;
  ts: number;
}

interface Subscribe {
  channels: string[];
  since?: { offset: number };
  last?: boolean;
  max_rate?: number;
}

const INTERVAL_MS = 20; // between two messages
const DEFECT_AFTER = 30; // messages after the affected client has subscribed
const LATE_MS = 400;
const STALL_MS = 3000;
/**
 * Later than any audit: a message is audited 3 s after the first client received it, and audits run once a
 * second.
 */
const AFTER_AUDIT_MS = 4300;
const CHANNELS = ["BTC.trade", "ETH.trade", "SOL.liquidity", "global.trending"];

export class FakeGateway {
  readonly #defect: Defect;
  readonly #own: boolean;
  /** The defect occurs on this channel, which several clients have subscribed to. */
  readonly #defectiveChannel: string;
  readonly #http = createServer();
  readonly #ops = createServer((_request, response) => response.end(this.#metrics()));
  readonly clients = new Set<Client>();
  /** Addresses of all connections so far. */
  readonly asked: URL[] = [];
  readonly #history: Message[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Last offset of the stream, and the last offset that the gateway has received. */
  #stored = 0;
  #offset = 0;
  #affected: Client | undefined;
  #defectiveFrom = Number.POSITIVE_INFINITY;
  /** Messages that the gateway has not received, while the defect holds them back. */
  #heldBack: Message[] | undefined;
  /** Message to the affected client that is sent only after the next one of its channel. */
  #previous: Message | undefined;
  /** Number of envelopes sent. */
  sent = 0;
  /** How often the defect occurred. */
  defects = 0;

  /** @param own given when the test publishes with `publish`: the channel of the defect */
  constructor(defect: Defect, own?: string) {
    this.#defect = defect;
    this.#own = own !== undefined;
    this.#defectiveChannel = own ?? "global.trending";
  }

  async start(): Promise<{ url: string; metrics: string }> {
    const server = new WebSocketServer({ server: this.#http });
    server.on("connection", (socket, { url = "" }) => {
      this.asked.push(new URL(url, "ws://gateway"));
      this.#onConnection(socket);
    });
    const ports = await Promise.all([this.#http, this.#ops].map(listen));
    const begin = performance.now();
    const tick = () => {
      while (this.#stored * INTERVAL_MS < performance.now() - begin)
        this.publish(CHANNELS[this.#stored % CHANNELS.length] as string, { n: this.#stored });
    };
    if (!this.#own) this.#timer = setInterval(tick, INTERVAL_MS);
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
    const factor = this.#defect === "miscount" ? 2 : 1;
    return [
      `ws_connections_current ${this.clients.size}`,
      "ws_connections_rejected_total 0",
      `ws_messages_sent_total ${this.sent * factor}`,
      "ws_cpu_usage_percent 1",
      "ws_memory_usage_bytes 1000000\n",
    ].join("\n");
  }

  #onConnection(socket: WebSocket): void {
    const client: Client = {
      ...{ socket, matches: () => false, seq: 0, ring: new Map(), affected: false },
      ...{ intervalMs: 0, turns: new Map() },
    };
    this.clients.add(client);
    socket.on("close", () => this.clients.delete(client));
    const send = (message: object) => socket.send(JSON.stringify(message));
    send({
      ...{ type: "welcome", connection: "c", instance: "fake", epoch: "e", offset: this.#offset },
      ...{ heartbeat_seconds: 25, reconnect: { min_ms: 300, max_ms: 500 } },
    });
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      if (message.type === "heartbeat") {
        const mute = this.#defect === "mute" && this.#stored >= this.#defectiveFrom;
        // Without an answer to the first heartbeat, no client would count as connected.
        if (client.acknowledged !== true || !mute)
          send({
            type: "heartbeat_ack",
            ts: Date.now(),
            seq: client.seq,
            offset: completeUpTo(client, this.#offset),
          });
        client.acknowledged = true;
      } else if (message.type === "subscribe") this.#subscribe(client, message, send);
      else if (message.type === "replay") this.#replay(client, message, send);
      else client.matches = () => false; // unsubscribe
    });
  }

  #subscribe(
    client: Client,
    { channels, since, last, max_rate }: Subscribe,
    send: (message: object) => void,
  ): void {
    client.matches = matcher(channels);
    client.intervalMs = max_rate === undefined || this.#defect === "ignore-rate" ? 0 : 1000 / max_rate;
    // The first client of the load with this channel is affected; the preflight check subscribes to *.*.
    if (this.#affected === undefined && !channels.includes("*.*") && client.matches(this.#defectiveChannel)) {
      this.#affected = client;
      client.affected = true;
      this.#defectiveFrom = this.#stored + DEFECT_AFTER;
    }
    const ack = { type: "subscription_ack", subscribed: channels, count: channels.length };
    const values = last === true ? this.#newest(client, since?.offset ?? Number.POSITIVE_INFINITY) : [];
    const count = last === true && this.#defect !== "no-last" ? { last: values.length } : {};
    const sendValues = () => {
      if (this.#defect === "no-last") this.defects += values.length;
      else for (const message of values) this.#write(client, this.#text(client, message, { last: true }));
    };
    if (since === undefined) {
      send({ ...ack, ...count });
      return sendValues();
    }
    const missed = this.#history.filter(
      ({ offset, channel }) => offset > since.offset && offset <= this.#offset && client.matches(channel),
    );
    const given = this.#defect === "lie-on-resume" ? [] : missed;
    this.defects += missed.length > given.length ? 1 : 0;
    send({ ...ack, ...count, recovered: true, replayed: given.length });
    sendValues();
    for (const message of given) this.#deliver(client, message);
  }

  /** The newest message of each channel of a client, in the order of their offsets. */
  #newest(client: Client, upTo: number): Message[] {
    const found = new Map<string, Message[]>();
    for (const message of this.#history)
      if (client.matches(message.channel) && message.offset <= Math.min(upTo, this.#offset))
        found.set(message.channel, [message, ...(found.get(message.channel) ?? [])]);
    const values = [...found.values()].flatMap(([newest, older]) => {
      // Other clients have the newest message, or were sent it as their last value.
      const known = [...this.clients].filter((other) => other.matches(newest?.channel ?? "")).length > 2;
      if (this.#defect !== "stale-last" || !known || older === undefined) return newest ?? [];
      this.defects++;
      return older;
    });
    return values.sort((a, b) => a.offset - b.offset);
  }

  #replay(
    client: Client,
    { from_seq, to_seq }: { from_seq: number; to_seq: number },
    send: (message: object) => void,
  ): void {
    let sent = 0;
    for (let seq = from_seq; seq <= to_seq; seq++) {
      const text = client.ring.get(seq);
      if (text === undefined) continue;
      this.#write(client, text);
      sent++;
    }
    send({ type: "replay_end", from_seq, to_seq, sent, missing: to_seq - from_seq + 1 - sent });
  }

  /** Publishes a message to the stream. Returns its offset. */
  publish(channel: string, data: object): number {
    const ts = Date.now() - (this.#defect === "late" ? LATE_MS : 0);
    const message = { offset: ++this.#stored, channel, ts, data };
    const stalls = this.#defect === "stall" || this.#defect === "cut-off";
    if (stalls && message.offset === this.#defectiveFrom) {
      this.defects++;
      this.#heldBack = [];
      if (this.#defect === "stall") setTimeout(() => this.#endStall(), STALL_MS);
    }
    if (this.#heldBack === undefined) this.#onMessage(message);
    else this.#heldBack.push(message);
    return message.offset;
  }

  #endStall(): void {
    const missed = this.#heldBack ?? [];
    this.#heldBack = undefined;
    for (const message of missed) this.#onMessage(message);
  }

  #onMessage(message: Message): void {
    const { offset, channel } = message;
    this.#offset = offset;
    this.#history.push(message);
    const due = offset >= this.#defectiveFrom && channel === this.#defectiveChannel;
    if (due && this.#defect === "drop-for-all") {
      this.#defectiveFrom = Number.POSITIVE_INFINITY;
      this.defects++;
      return;
    }
    for (const client of this.clients) {
      if (!client.matches(channel)) continue;
      if (client.affected && due) this.#sendDefective(client, message);
      else this.#deliverInTurn(client, message);
    }
  }

  #text(client: Client, { offset, ts, channel, data }: Message, mark: { last?: true } = {}): string {
    const seq = ++client.seq;
    const text = JSON.stringify({
      seq,
      offset,
      ...mark,
      ts,
      type: "x:update",
      priority: "high",
      channel,
      data,
    });
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

  /** Delivers a message, or lets it wait for the turn of its channel. */
  #deliverInTurn(client: Client, message: Message): void {
    if (client.intervalMs === 0) return this.#deliver(client, message);
    const now = performance.now();
    const turn = client.turns.get(message.channel) ?? { at: 0, waiting: undefined };
    client.turns.set(message.channel, turn);
    const isFree = now >= turn.at && turn.waiting === undefined;
    if (isFree) {
      turn.at = now + client.intervalMs;
      return this.#deliver(client, message);
    }
    const hadTimer = turn.waiting !== undefined;
    if (this.#defect === "oldest-wins" && hadTimer && client.affected) {
      this.defects++;
      return;
    }
    turn.waiting = message;
    if (hadTimer) return;
    setTimeout(() => {
      const { waiting } = turn;
      turn.waiting = undefined;
      turn.at = performance.now() + client.intervalMs;
      if (waiting !== undefined && client.socket.readyState === client.socket.OPEN)
        this.#deliver(client, waiting);
    }, turn.at - now);
  }

  #sendDefective(client: Client, message: Message): void {
    const before = this.#previous;
    // These defects need the next message of the channel as well.
    const continues =
      this.#defect === "drop-last" ||
      this.#defect === "mute" ||
      (this.#defect === "reorder" && before === undefined);
    if (!continues) this.#defectiveFrom = Number.POSITIVE_INFINITY;
    if (before === undefined) this.defects++;
    switch (this.#defect) {
      case "drop":
        return;
      case "drop-with-gap":
        this.#text(client, message);
        return;
      case "drop-last":
        this.#previous = message;
        if (before !== undefined) this.#deliver(client, before);
        return;
      case "duplicate":
        this.#deliver(client, message);
        return this.#deliver(client, message);
      case "reorder":
        this.#previous = message;
        if (before === undefined) return;
        this.#deliver(client, message);
        return this.#deliver(client, before);
      case "late-reorder":
        setTimeout(() => this.#deliver(client, message), AFTER_AUDIT_MS);
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
        // The additional message differs only in its channel.
        const offset = ++this.#stored;
        this.#offset = offset;
        return this.#deliver(client, { ...message, offset, channel: "OTHER.trade" });
      }
      case "close":
        client.affected = false;
        return client.socket.close(1011);
      default:
        return this.#deliverInTurn(client, message);
    }
  }
}

/** Everything up to this offset was sent, or replaced. */
function completeUpTo({ turns }: Client, offset: number): number {
  const waiting = [...turns.values()].flatMap((turn) => (turn.waiting ? [turn.waiting.offset - 1] : []));
  return Math.min(offset, ...waiting);
}

function listen(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
