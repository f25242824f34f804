/**
 * The HTTP side of the client port: checks each client, cheap checks first, and upgrades or refuses the
 * connection.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ServerOptions, WebSocketServer } from "ws";
import type { Config } from "../config.ts";
import { atMostEvery, type Log } from "../log.ts";
import { acceptQueueLength, limitAcceptQueue } from "./accept-queue.ts";
import {
  type Applicant,
  type Closure,
  closed,
  type Refusal,
  type RefusalReason,
  type Seats,
} from "./admission.ts";
import { AuthError, type Identity, type Verifier } from "./auth.ts";
import { createAddressOf } from "./client-address.ts";
import { dictionariesOf, tokenOf, urlOf } from "./client-request.ts";
import { ClientSocket } from "./client-socket.ts";
import type { AcceptedClient, AdmittedClient, HttpEndpoint, Transport } from "./clients.ts";
import { ESTIMATE_MS, HandshakeLimit } from "./handshake-limit.ts";
import { answerPreflight, Origins } from "./origins.ts";
import { answerRequest, answerUpgrade } from "./refusal-answers.ts";
import { KeysUnavailableError } from "./remote-keys.ts";
import { SocketBound } from "./socket-bound.ts";

export interface EntranceOptions {
  config: Pick<
    Config,
    | "WS_PATH"
    | "WS_ALLOWED_ORIGINS"
    | "WS_TRUSTED_PROXIES"
    | "WS_COMPRESSION"
    | "WS_MAX_MESSAGE_BYTES"
    | "WS_MAX_HANDSHAKE_WAIT_MS"
  >;
  /** Largest number of sockets, including sockets of clients in the handshake. */
  maxSockets: number;
  verify: Verifier | undefined;
  seats: Seats;
  /** Called with each upgraded connection. Its seat must be freed later. */
  admitted: (client: AdmittedClient) => void;
  /**
   * Called for each refused client. `message`: what the client was answered, if anything; `transport`:
   * undefined for a WebSocket.
   */
  refused: (reason: RefusalReason, client: Applicant, message?: string, transport?: Transport) => void;
  /** By path. */
  endpoints?: ReadonlyMap<string, HttpEndpoint>;
  /** Serves the demo page; returns false for a request that is not for the page. */
  page?: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  log: Log;
}

/** Time for a client to send its request, so that a slow client does not hold a socket. */
const HEADERS_TIMEOUT_MS = 5000;
const CLOSE_TIMEOUT_MS = 5000;
const MAX_HEADER_BYTES = 16_384;
const WARN_INTERVAL_MS = 60_000;

export class Entrance {
  readonly server: Server;
  readonly #options: EntranceOptions;
  readonly #upgrader: WebSocketServer;
  readonly #sockets: SocketBound;
  readonly #handshakes: HandshakeLimit;
  readonly #addressOf: (request: IncomingMessage) => string;
  readonly #origins: Origins;
  #closure: Closure | undefined;
  /**
   * The latest refusal that would meet every client but is not a closure: no seat was free, or the keys were
   * not available, or too many handshakes. Reset when a client is accepted, but not after too many
   * handshakes, because the gateway then accepts some clients all the time. `until`: on the clock of
   * performance.now(), ms; `retryAfter`: seconds.
   */
  #recentRefusal: { reason: RefusalReason; retryAfter: number; until: number } | undefined;

  constructor(options: EntranceOptions) {
    this.#options = options;
    this.#addressOf = createAddressOf(options.config.WS_TRUSTED_PROXIES);
    this.#origins = new Origins(options.config.WS_ALLOWED_ORIGINS);
    const upgraderOptions: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      WebSocket: ClientSocket,
      maxPayload: options.config.WS_MAX_MESSAGE_BYTES,
      // Without context takeover a frame is compressed once for all clients, and no client needs memory
      // between messages.
      perMessageDeflate: options.config.WS_COMPRESSION && {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
      },
      // A client that does not read does not answer the close frame either, and would keep its seat until
      // this timeout.
      closeTimeout: CLOSE_TIMEOUT_MS,
    };
    this.#upgrader = new WebSocketServer(upgraderOptions);
    this.server = createServer({
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    this.#sockets = this.#boundSockets();
    this.#handshakes = new HandshakeLimit({
      maxWaitMs: options.config.WS_MAX_HANDSHAKE_WAIT_MS,
      queueLength: () => acceptQueueLength(this.server),
      limitQueue: (length) => limitAcceptQueue(this.server, length),
    });
    this.#estimateWaits();
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response);
    this.server.on("request", onRequest);
    // For an unknown Expect header, Node's own answer (417) would keep the connection open.
    this.server.on("checkExpectation", onRequest);
    this.server.on("upgrade", (request, socket, head) => void this.#onUpgrade(request, socket, head));
  }

  #estimateWaits(): void {
    const handshakes = this.#handshakes;
    this.server.on("connection", () => handshakes.accepted());
    this.server.on("listening", () => {
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        handshakes.estimate(now - last);
        last = now;
      }, ESTIMATE_MS).unref();
      this.server.once("close", () => clearInterval(timer));
    });
  }

  #boundSockets(): SocketBound {
    const { maxSockets, refused, log } = this.#options;
    let lastError: Error | undefined;
    const warn = atMostEvery(WARN_INTERVAL_MS, (count) =>
      log.warn({ err: lastError, count }, "connections could not be accepted"),
    );
    return new SocketBound(this.server, {
      max: maxSockets,
      onRefused: (socket) => refused("sockets", { user: undefined, ip: socket.remoteAddress ?? "" }),
      onError: (error) => {
        lastError = error;
        warn();
      },
    });
  }

  /**
   * Refuses all clients for this reason from now on, before any expensive check; undefined: accepts them
   * again.
   */
  setClosure(closure: Closure | undefined): void {
    this.#closure = closure;
  }

  /**
   * Answers a request without upgrade and ends its connection. A proxy would keep an open connection for a
   * later upgrade (Google's proxy for 600 s), and that upgrade would fail if the gateway closed the
   * connection just then. A timeout longer than any proxy's would let everybody hold idle sockets.
   */
  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { config, page, endpoints } = this.#options;
    const url = urlOf(request);
    const endpoint = endpoints?.get(url.pathname);
    if (endpoint !== undefined) return void this.#onHttp(endpoint, url, request, response);
    response.shouldKeepAlive = false;
    if (url.pathname === config.WS_PATH) {
      response.writeHead(426, {
        Upgrade: "websocket",
        Connection: "close, Upgrade", // this replaces the header that Node would send
        "Content-Type": "text/plain",
        "Cache-Control": "no-store",
        ...this.#retryHeaders(request),
      });
      response.end("This is a WebSocket endpoint: connect with ws:// or wss://\n");
    } else if (page?.(request, response) !== true) {
      response
        .writeHead(404, { "Content-Type": "text/plain" })
        .end(`Nothing here. The endpoint is ${config.WS_PATH}\n`);
    }
  }

  /**
   * Serves a request over HTTP. A browser may use its connection for the next poll. The connection of a proxy
   * ends, because the proxy may use it for an upgrade.
   */
  async #onHttp(
    endpoint: HttpEndpoint,
    url: URL,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { seats, log } = this.#options;
    const { headers, method } = request;
    const applicant: Applicant = { user: undefined, ip: this.#addressOf(request) };
    const proxied = headers.via !== undefined || headers["x-forwarded-for"] !== undefined;
    if (proxied || endpoint.takesSeat) response.shouldKeepAlive = false;
    for (const [name, value] of Object.entries(this.#origins.headers(request)))
      response.setHeader(name, value);
    try {
      if (method === "OPTIONS") return answerPreflight(response);
      if (method !== "GET") {
        response.writeHead(405, { Allow: "GET, OPTIONS" }).end();
        return;
      }
      const outcome = await this.#authorize(request, url, applicant);
      if ("status" in outcome) return this.#refuseRequest(endpoint, response, outcome, applicant);
      const seat = endpoint.takesSeat ? await seats.take(applicant) : 0;
      if (typeof seat !== "number") return this.#refuseRequest(endpoint, response, seat, applicant);
      const { socket } = response;
      if (response.destroyed || socket === null) {
        if (endpoint.takesSeat) seats.free(seat);
        return;
      }
      if (endpoint.takesSeat) {
        this.#sockets.admit(socket);
        socket.setTimeout(0);
      }
      await endpoint.serve({ request, response, url, identity: outcome.identity, ip: applicant.ip, seat });
    } catch (error) {
      log.error({ err: error }, "a request failed");
      response.destroy();
    }
  }

  #refuseRequest(
    endpoint: HttpEndpoint,
    response: ServerResponse,
    refusal: Refusal,
    applicant: Applicant,
  ): void {
    this.#options.refused(refusal.reason, applicant, refusal.message, endpoint.transport);
    endpoint.refused?.(applicant, refusal);
    answerRequest(response, refusal);
  }

  /**
   * Returns headers that report how long to wait, to pages of allowed origins. A page cannot read the answer
   * to a refused WebSocket, but it can read the answer to a plain request. The status stays 426, because
   * probes from outside take 426 as a sign that the gateway runs.
   */
  #retryHeaders(request: IncomingMessage): Record<string, string | number> {
    const closure = this.#closure;
    const recent = this.#recentRefusal;
    const active = recent !== undefined && performance.now() < recent.until ? recent : undefined;
    const { retryAfter } = closure === undefined ? { ...active } : closed(closure);
    return {
      ...this.#origins.headers(request),
      ...(retryAfter !== undefined && { "Retry-After": retryAfter }),
    };
  }

  async #onUpgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): Promise<void> {
    // The type of node:http is Duplex, but this is always the socket that the server accepted.
    const socket = duplex as Socket;
    socket.on("error", socketOnError);
    // Read now: a socket that closes during the checks has no address.
    const applicant: Applicant = { user: undefined, ip: this.#addressOf(request) };
    // Before any check, because a refusal must cost much less than a handshake.
    if (this.#handshakes.refuses()) return this.#refuse(socket, tooManyHandshakes(), applicant);
    try {
      const outcome = await this.#check(request, applicant);
      if ("status" in outcome) return this.#refuse(socket, outcome, applicant);
      this.#upgrade(request, socket, head, outcome);
      if (this.#recentRefusal?.reason !== "handshakes") this.#recentRefusal = undefined;
    } catch (error) {
      this.#options.log.error({ err: error }, "an upgrade failed");
      socket.destroy();
    }
  }

  /**
   * Checks a client, cheap checks first. Returns the client, which then has a seat, or the reason for the
   * refusal. The user of the token becomes the user of the applicant.
   */
  async #check(request: IncomingMessage, applicant: Applicant): Promise<Refusal | AcceptedClient> {
    const { config, seats } = this.#options;
    const url = urlOf(request);
    if (url.pathname !== config.WS_PATH) return refusal(404, "path", `the endpoint is ${config.WS_PATH}`);
    const outcome = await this.#authorize(request, url, applicant);
    if ("status" in outcome) return outcome;
    const { identity } = outcome;
    const { ip } = applicant;
    const seat = await seats.take(applicant);
    return typeof seat === "number" ? { seat, identity, ip, dictionaries: dictionariesOf(url) } : seat;
  }

  /**
   * Checks origin, closure and token. The user of the token becomes the user of the applicant, also when the
   * token was signed with the right key but is refused.
   */
  async #authorize(
    request: IncomingMessage,
    url: URL,
    applicant: Applicant,
  ): Promise<Refusal | { identity: Identity | undefined }> {
    const { verify } = this.#options;
    if (!this.#origins.allow(request)) return refusal(403, "origin", "this origin may not connect");
    if (this.#closure !== undefined) return closed(this.#closure);
    let identity: Identity | undefined;
    if (verify !== undefined) {
      const token = tokenOf(request, url);
      if (token === undefined || token === "")
        return refusal(401, "token", "a token is missing: connect with ?auth=TOKEN");
      try {
        identity = await verify(token);
      } catch (error) {
        const { message } = error as Error;
        if (error instanceof KeysUnavailableError)
          return { status: 503, reason: "keys", message, retryAfter: 5 };
        // For the log: a user whose token has expired asks why.
        if (error instanceof AuthError) applicant.user = error.user;
        return refusal(401, "token", message);
      }
    }
    applicant.user = identity?.user;
    return { identity };
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Buffer, client: AcceptedClient): void {
    const { seats, admitted } = this.#options;
    const { seat, identity, ip } = client;
    if (socket.destroyed) return seats.free(seat);
    // When the handshake is malformed, ws ends the socket without a callback. The seat must be freed then,
    // too.
    const onHandshakeFailed = () => {
      this.#options.refused("handshake", { user: identity?.user, ip });
      seats.free(seat);
    };
    socket.once("close", onHandshakeFailed);
    // The answer to the upgrade and the welcome leave in one write. When a gateway ends, thousands of its
    // clients come to the others within two seconds.
    socket.cork();
    this.#upgrader.handleUpgrade(request, socket, head, (ws) => {
      socket.off("close", onHandshakeFailed);
      socket.off("error", socketOnError);
      this.#sockets.admit(socket);
      admitted({ ...client, ws: ws as ClientSocket, socket });
      // The welcome is written at the end of this turn, before this call.
      setImmediate(() => socket.uncork());
    });
  }

  #refuse(socket: Socket, refusal: Refusal, applicant: Applicant): void {
    const { reason, message, retryAfter } = refusal;
    this.#options.refused(reason, applicant, message);
    if (retryAfter !== undefined && MEETS_EVERYBODY.has(reason))
      this.#recentRefusal = { reason, retryAfter, until: performance.now() + retryAfter * 1000 };
    answerUpgrade(socket, refusal);
  }
}

const MEETS_EVERYBODY: ReadonlySet<RefusalReason> = new Set(["connections", "keys", "handshakes"]);

/** Shortest and longest Retry-After, s: clients that are refused together must not come back together. */
const RETRY_HANDSHAKE = [2, 8] as const;

function tooManyHandshakes(): Refusal {
  const [min, max] = RETRY_HANDSHAKE;
  const retryAfter = min + Math.floor(Math.random() * (max - min + 1));
  const message = "more clients connect than this gateway can serve at once";
  return { status: 503, reason: "handshakes", message, retryAfter };
}

const refusal = (status: Refusal["status"], reason: RefusalReason, message: string): Refusal => ({
  status,
  reason,
  message,
});

function socketOnError(this: Socket): void {
  this.destroy();
}
