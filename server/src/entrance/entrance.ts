/** The HTTP side of the client port: who is let in, in a column of checks from cheap to dear, and who is told what instead. */

import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocketServer } from "ws";
import type { Config } from "../config.ts";
import type { Log } from "../log.ts";
import { type Applicant, type Closure, closed, type Refusal, type RefusalReason } from "./admission.ts";
import { type Identity, KeysUnavailableError, type Verifier } from "./auth.ts";
import { createAddressOf } from "./client-address.ts";
import { ClientSocket } from "./client-socket.ts";

/** Seats of the whole VM; another process may keep them. */
export interface Seats {
  take(applicant: Applicant): Promise<Refusal | undefined>;
  free(applicant: Applicant): void;
}

export interface EntranceOptions {
  config: Pick<
    Config,
    | "WS_PATH"
    | "WS_ALLOWED_ORIGINS"
    | "WS_TRUSTED_PROXIES"
    | "WS_COMPRESSION"
    | "WS_MAX_CONNECTIONS"
    | "WS_MAX_MESSAGE_BYTES"
  >;
  verify: Verifier | undefined;
  seats: Seats;
  /** A client is in. Its seat is taken and must be freed with the same applicant. */
  admitted: (ws: ClientSocket, socket: Socket, applicant: Applicant, identity: Identity | undefined) => void;
  refused: (reason: RefusalReason) => void;
  /** Serves pages; true when the request was its own. */
  page?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  log: Log;
}

/** Time for a client to send its request: a slow one must not hold a socket. */
const HEADERS_TIMEOUT_MS = 5000;
/** Sockets beyond the seats: those that are in the handshake or are being refused. */
const SPARE_SOCKETS = 2000;
const CLOSE_TIMEOUT_MS = 5000;
const MAX_HEADER_BYTES = 16_384;

export class Entrance {
  readonly server: Server;
  readonly #options: EntranceOptions;
  readonly #upgrader: WebSocketServer;
  readonly #addressOf: (request: IncomingMessage) => string;
  #closure: Closure | undefined;
  /** The latest refusal that was for everybody and that no `closure` tells of: no seat was free, or no key. Until somebody is let in. */
  #lately: { retryAfter: number; until: number } | undefined;

  constructor(options: EntranceOptions) {
    this.#options = options;
    this.#addressOf = createAddressOf(options.config.WS_TRUSTED_PROXIES);
    const upgraderOptions: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      WebSocket: ClientSocket,
      maxPayload: options.config.WS_MAX_MESSAGE_BYTES,
      // No context takeover, either way: a frame is compressed once for all, and no client costs memory between messages.
      perMessageDeflate: options.config.WS_COMPRESSION && {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      },
      // A client that does not read does not answer the close either, and keeps its seat until then.
      closeTimeout: CLOSE_TIMEOUT_MS,
    };
    this.#upgrader = new WebSocketServer(upgraderOptions);
    this.server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    this.server.maxConnections = options.config.WS_MAX_CONNECTIONS + SPARE_SOCKETS;
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response);
    this.server.on("request", onRequest);
    // An expectation that nobody knows: Node's own answer, 417, would keep the connection.
    this.server.on("checkExpectation", onRequest);
    this.server.on("upgrade", (request, socket, head) => void this.#onUpgrade(request, socket, head));
  }

  /** From now on every client is refused for this reason, before any check that costs more; undefined: no longer. */
  setClosure(closure: Closure | undefined): void {
    this.#closure = closure;
  }

  /**
   * Ends the connection after each answer. A proxy would keep it for a later upgrade (Google's: 600 s), which fails when it comes just as
   * the gateway closes; and to wait for longer than any proxy would let everybody hold idle sockets.
   */
  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { config, page } = this.#options;
    response.shouldKeepAlive = false;
    if (urlOf(request).pathname === config.WS_PATH) {
      response.writeHead(426, {
        Upgrade: "websocket",
        Connection: "close, Upgrade", // a header of our own is sent as it is
        "Content-Type": "text/plain",
        "Cache-Control": "no-store",
        ...this.#advice(request),
      });
      response.end("This is a WebSocket endpoint: connect with ws:// or wss://\n");
    } else if (page?.(request, response) !== true) {
      response
        .writeHead(404, { "Content-Type": "text/plain" })
        .end(`Nothing here. The endpoint is ${config.WS_PATH}\n`);
    }
  }

  /**
   * A WebSocket does not show its page why it was refused, nor for how long: a plain request does, to those who may connect. The status stays
   * 426 all the same, which outside probes take for a sign of life.
   */
  #advice({ headers: { origin = "" } }: IncomingMessage): Record<string, string | number> {
    const closure = this.#closure;
    const lately =
      this.#lately !== undefined && performance.now() < this.#lately.until ? this.#lately : undefined;
    const { retryAfter } = closure === undefined ? { ...lately } : closed(closure);
    return {
      Vary: "Origin",
      ...(this.#isAllowed(origin) && {
        "Access-Control-Allow-Origin": this.#options.config.WS_ALLOWED_ORIGINS.length > 0 ? origin : "*",
        "Access-Control-Expose-Headers": "Retry-After",
      }),
      ...(retryAfter !== undefined && { "Retry-After": retryAfter }),
    };
  }

  #isAllowed(origin: string): boolean {
    const { WS_ALLOWED_ORIGINS: allowed } = this.#options.config;
    return allowed.length === 0 || allowed.includes(origin);
  }

  async #onUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): Promise<void> {
    // http types it as a Duplex; it is the socket that the server accepted.
    const socket = duplex as Socket;
    socket.on("error", socketOnError);
    try {
      const outcome = await this.#examine(request);
      if ("status" in outcome) return this.#refuse(socket, outcome);
      this.#lately = undefined;
      this.#upgrade(request, socket, head, outcome);
    } catch (error) {
      this.#options.log.error({ err: error }, "an upgrade failed");
      socket.destroy();
    }
  }

  /** The column of checks. Returns who has got a seat, or why there is none. */
  async #examine(request: IncomingMessage): Promise<Refusal | Guest> {
    const { config, verify, seats } = this.#options;
    const url = urlOf(request);
    if (url.pathname !== config.WS_PATH) return refusal(404, "path", `the endpoint is ${config.WS_PATH}`);
    if (!this.#isAllowed(request.headers.origin ?? ""))
      return refusal(403, "origin", "this origin may not connect");
    if (this.#closure !== undefined) return closed(this.#closure);
    let identity: Identity | undefined;
    if (verify !== undefined) {
      const token = url.searchParams.get("auth");
      if (token === null || token === "")
        return refusal(401, "token", "a token is missing: connect with ?auth=TOKEN");
      try {
        identity = await verify(token);
      } catch (error) {
        const { message } = error as Error;
        if (error instanceof KeysUnavailableError)
          return { status: 503, reason: "keys", message, retryAfter: 5 };
        return refusal(401, "token", message);
      }
    }
    const applicant = { user: identity?.user, ip: this.#addressOf(request) };
    return (await seats.take(applicant)) ?? { applicant, identity };
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer, { applicant, identity }: Guest): void {
    const { seats, admitted } = this.#options;
    if (socket.destroyed) return seats.free(applicant);
    // ws refuses a malformed handshake by ending the socket, without a call: the seat must not stay taken.
    const gaveUp = () => {
      this.#options.refused("handshake");
      seats.free(applicant);
    };
    socket.once("close", gaveUp);
    this.#upgrader.handleUpgrade(request, socket, head, (ws) => {
      socket.off("close", gaveUp);
      socket.off("error", socketOnError);
      admitted(ws as ClientSocket, socket, applicant, identity);
    });
  }

  #refuse(socket: Socket, { status, reason, message, retryAfter }: Refusal): void {
    this.#options.refused(reason);
    if (retryAfter !== undefined && (reason === "connections" || reason === "keys"))
      this.#lately = { retryAfter, until: performance.now() + retryAfter * 1000 };
    const body = `${JSON.stringify({ error: reason, message })}\n`;
    const headers = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "Connection: close",
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...(retryAfter === undefined ? [] : [`Retry-After: ${retryAfter}`]),
    ];
    socket.once("finish", () => socket.destroy());
    socket.end(`${headers.join("\r\n")}\r\n\r\n${body}`);
  }
}

interface Guest {
  applicant: Applicant;
  identity: Identity | undefined;
}

const refusal = (status: Refusal["status"], reason: RefusalReason, message: string): Refusal => ({
  status,
  reason,
  message,
});

/** Never throws: what is no URL has no path that anybody serves. */
function urlOf(request: IncomingMessage): URL {
  return URL.parse(request.url ?? "", "http://gateway") ?? new URL("http://gateway/%00");
}

function socketOnError(this: Socket): void {
  this.destroy();
}
