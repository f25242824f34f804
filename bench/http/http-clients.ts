/**
 * The load process for channels over HTTP: clients that all connect in the same way, each with a token of its
 * own. Counts their messages and bytes.
 */

import { Agent, get, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { createGunzip } from "node:zlib";
import { WebSocket } from "ws";

/** How clients receive: `mixed` polls like `poll`, and no two clients ask for the same channels. */
export const WAYS = ["websocket", "events", "poll", "mixed"] as const;
export type Way = (typeof WAYS)[number];

export interface Clients {
  way: Way;
  port: number;
  pollMs: number;
  /** Token and channels of each client. */
  clients: readonly { token: string; channels: readonly string[] }[];
}

export type HttpCommand = { kind: "connect"; clients: Clients } | { kind: "count" };

/** Since the process began. */
export interface Counts {
  connected: number;
  messages: number;
  /** Polls that were answered with messages, and polls without news. */
  polls: number;
  notModified: number;
  /** Bytes that arrived on the clients' connections. */
  bytes: number;
  errors: string[];
}

const ERRORS_SHOWN = 5;
const counts: Counts = { connected: 0, messages: 0, polls: 0, notModified: 0, bytes: 0, errors: [] };
const sockets = new Set<Socket>();
const agent = new Agent({ keepAlive: true });

function fail(reason: string): void {
  if (counts.errors.length < ERRORS_SHOWN) counts.errors.push(reason);
}

function watch(socket: Socket): void {
  if (sockets.has(socket)) return;
  sockets.add(socket);
  socket.once("close", () => {
    sockets.delete(socket);
    counts.bytes += socket.bytesRead;
  });
}

function openWebSocket({ port }: Clients, token: string, channels: readonly string[]): void {
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws?auth=${token}`);
  client.on("upgrade", (response) => watch(response.socket));
  client.on("open", () => client.send(JSON.stringify({ type: "subscribe", channels })));
  client.on("message", (data) => {
    // Not parsed: parsing would cost this process more than receiving.
    const message = data.toString();
    if (message.startsWith('{"seq"')) counts.messages++;
    else if (message.includes('"subscription_ack"')) counts.connected++;
  });
  client.on("error", (error) => fail(error.message));
  client.on("close", (code) => fail(`a WebSocket was closed with ${code}`));
}

function openStream({ port }: Clients, token: string, channels: readonly string[]): void {
  const headers = { authorization: `Bearer ${token}` };
  const request = get({ port, path: `/events?channels=${channels}`, headers, agent: false }, (response) => {
    if (response.statusCode !== 200) return fail(`a stream got ${response.statusCode}`);
    watch(response.socket);
    counts.connected++;
    response.setEncoding("utf8");
    // An event is short and leaves the gateway in one write, so it arrives whole.
    response.on("data", (chunk: string) => {
      counts.messages += chunk.split('\ndata: {"offset"').length - 1;
    });
    response.on("end", () => fail("a stream ended"));
  });
  request.on("error", (error) => fail(error.message));
}

interface Answer {
  epoch: string;
  offset: number;
  messages: unknown[];
}

/** Polls as a browser does: with the ETag of the last answer while it asks for the same. */
class Poller {
  readonly #clients: Clients;
  readonly #path: string;
  readonly #headers: Record<string, string>;
  #since = "";
  #known = { path: "", etag: "" };

  constructor(clients: Clients, token: string, channels: readonly string[]) {
    this.#clients = clients;
    this.#path = `/poll?channels=${channels}&since=`;
    this.#headers = { authorization: `Bearer ${token}`, "accept-encoding": "gzip" };
    setTimeout(() => this.#ask(), Math.random() * clients.pollMs);
  }

  #ask(): void {
    const path = this.#path + this.#since;
    const headers = { ...this.#headers };
    if (path === this.#known.path) headers["if-none-match"] = this.#known.etag;
    const request = get({ port: this.#clients.port, path, headers, agent }, (response) => {
      watch(response.socket);
      void this.#read(path, response).catch((error: Error) => fail(error.message));
    });
    request.on("error", (error) => fail(error.message));
  }

  async #read(path: string, response: IncomingMessage): Promise<void> {
    const { statusCode, headers } = response;
    const zipped = headers["content-encoding"] === "gzip";
    const body = await text(zipped ? response.pipe(createGunzip()) : response);
    if (statusCode === 304) counts.notModified++;
    else if (statusCode === 200) {
      const { epoch, offset, messages } = JSON.parse(body) as Answer;
      if (this.#since === "") counts.connected++;
      else counts.polls++;
      counts.messages += messages.length;
      this.#known = { path, etag: headers.etag ?? "" };
      this.#since = `${epoch}:${offset}`;
    } else fail(`a poll got ${statusCode}`);
    setTimeout(() => this.#ask(), this.#clients.pollMs * (0.9 + Math.random() * 0.2));
  }
}

/** Opens the clients, some at a time. */
async function connectAll(clients: Clients): Promise<void> {
  for (const [index, { token, channels }] of clients.clients.entries()) {
    if (clients.way === "websocket") openWebSocket(clients, token, channels);
    else if (clients.way === "events") openStream(clients, token, channels);
    else new Poller(clients, token, channels);
    if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

if (process.send !== undefined) {
  process.on("message", async (command: HttpCommand) => {
    if (command.kind === "connect") await connectAll(command.clients);
    const open = sockets.values().reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    process.send?.({ ...counts, bytes: counts.bytes + open });
  });
  process.on("disconnect", () => process.exit());
}
