/**
 * The fallback to HTTP for networks where WebSockets do not work, and the rollout that moves a share of the
 * users over. The client loads this file by itself when an attempt fails. Only applications that set options
 * import it.
 */

import type { ClientMessage } from "@odin-ws/protocol";
import { HttpSocket } from "./http-socket.ts";
import type { Environment, Question, Socket } from "./types.ts";

export interface FallbackOptions {
  /**
   * Which users connect over WebSocket; the others get their messages over HTTP. Default: all users.
   * `percent`: 0 to 100, with two decimals. `key`: what identifies the user. The same user is always in the
   * same group, and a higher percentage only adds users.
   */
  rollout?: { percent: number; key: string };
  /** Time between two polls, milliseconds. Default 2000. */
  pollMs?: number;
  /**
   * Whether to receive server-sent events where the network lets them through; such a stream takes a seat
   * like a WebSocket. Default true; false: the client always polls.
   */
  stream?: boolean;
  /**
   * Time after which a client that fell back tries the WebSocket again, milliseconds. The time doubles with
   * every failure, up to 16 times this value. Default 60_000.
   */
  returnAfterMs?: number;
  /** Sends requests, in place of the global function. */
  fetch?: typeof fetch;
}

interface Settings extends Required<Omit<FallbackOptions, "rollout">> {
  /** The user may connect over WebSocket. */
  chosen: boolean;
  open: Environment["open"];
}

/**
 * How long a WebSocket may take until the gateway's welcome. A gateway takes up to 1.5 s when it first checks
 * the user's other connections. Shortly after a loss, the client waits for 5 s for a WebSocket and an answer
 * over HTTP together.
 */
const WELCOME_MS = 3000; // 3 s
const MAX_DOUBLINGS = 4;
/** Close codes from here on come from a gateway, and never from a proxy. */
const FIRST_OWN_CODE = 4000;

/**
 * Returns the option `fallback` of `connect`. Every connection begins as a WebSocket. When it gets no welcome
 * of a gateway, it continues over HTTP, tries the WebSocket again in the background after a while, and ends
 * when a WebSocket works, so that the client resumes there.
 */
export function fallback(options: FallbackOptions = {}): (environment: Pick<Environment, "open">) => void {
  const { rollout, pollMs = 2000, stream = true, returnAfterMs = 60_000 } = options;
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const chosen = rollout === undefined || isInRollout(rollout.key, rollout.percent);
  return (environment) => {
    const settings = { chosen, pollMs, stream, returnAfterMs, fetch: send, open: environment.open };
    const attempts = { failed: 0 };
    environment.open = (url) => new EitherSocket(url, settings, attempts);
  };
}

/** True for `percent` of all keys, always for the same keys (FNV-1a hash). */
export function isInRollout(key: string, percent: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return ((hash >>> 0) % 10_000) / 100 < percent;
}

/** A WebSocket that continues over HTTP if it gets no welcome. */
class EitherSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly #settings: Settings;
  /** Failed attempts of the background since a WebSocket has worked. Outlives this socket. */
  readonly #attempts: { failed: number };
  #url: string;
  #inner: Socket | undefined;
  #http: HttpSocket | undefined;
  /** Ends the running attempt of a WebSocket. */
  #endAttempt: () => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, settings: Settings, attempts: { failed: number }) {
    this.#url = url;
    this.#settings = settings;
    this.#attempts = attempts;
    if (!settings.chosen) this.#receiveOverHttp();
    else {
      this.#attempt((socket, welcome) => {
        if (!socket) return this.#receiveOverHttp();
        this.#pass(socket);
        this.onmessage?.({ data: welcome });
      });
    }
  }

  send(text: string): void {
    if (this.#http) {
      const message = JSON.parse(text) as ClientMessage;
      if (message.type === "auth") this.#url = withToken(this.#url, message.token);
    }
    this.#inner?.send(text);
  }

  close(): void {
    this.onmessage = this.onclose = null;
    clearTimeout(this.#timer);
    this.#endAttempt();
    this.#inner?.close();
  }

  /** Passes everything of this socket to the client. */
  #pass(socket: Socket): void {
    this.#inner = socket;
    socket.onmessage = (event) => this.onmessage?.(event);
    socket.onerror = (event) => this.onerror?.(event);
    socket.onclose = (event) => {
      const { onclose } = this;
      this.close();
      onclose?.(event);
    };
  }

  #receiveOverHttp(): void {
    const { pollMs, stream, fetch } = this.#settings;
    this.#http = new HttpSocket(this.#url, { pollMs, stream, fetch });
    this.#pass(this.#http);
    if (this.#settings.chosen) this.#tryLater();
  }

  /** Tries the WebSocket again, while the client gets its messages over HTTP. */
  #tryLater(): void {
    const wait = this.#settings.returnAfterMs * 2 ** Math.min(this.#attempts.failed, MAX_DOUBLINGS);
    // Random, so that clients that fell back together do not return together.
    this.#timer = setTimeout(
      () => {
        // The stream has a seat that the WebSocket may need.
        this.#http?.hold(true);
        this.#attempt((socket) => {
          socket?.close();
          // The client connects again and resumes. It had no gap until now.
          if (socket) return this.#http?.leave("WebSockets work");
          this.#attempts.failed++;
          this.#http?.hold(false);
          this.#tryLater();
        });
      },
      wait * (0.75 + Math.random() * 0.5),
    );
  }

  /**
   * Opens a WebSocket. Calls `settle` once: with the socket and the gateway's welcome, or without a socket
   * when the WebSocket has failed. Throws when the address is invalid.
   */
  #attempt(settle: (socket?: Socket, welcome?: unknown) => void): void {
    const socket = this.#settings.open(this.#url);
    const stop = () => {
      clearTimeout(late);
      socket.onmessage = socket.onclose = null;
      this.#endAttempt = () => {};
    };
    const fail = () => {
      stop();
      socket.close();
      settle();
    };
    const late = setTimeout(fail, WELCOME_MS);
    this.#endAttempt = () => {
      stop();
      socket.close();
    };
    socket.onmessage = ({ data }) => {
      // A proxy may have answered.
      if (typeof data !== "string" || !data.includes('"type":"welcome"')) return fail();
      stop();
      this.#attempts.failed = 0;
      settle(socket, data);
    };
    socket.onerror = () => {}; // A close follows.
    socket.onclose = (event) => {
      if (event.code < FIRST_OWN_CODE || this.#http) return fail();
      stop();
      this.onclose?.(event);
    };
  }
}

function withToken(address: string, token: string): string {
  const url = new URL(address);
  url.searchParams.set("auth", token);
  return url.href;
}

/**
 * Answers to a plain request whose `Retry-After` is meant for this client: 426 of a gateway, 429 and 503 of a
 * proxy in between.
 */
const BUSY: readonly unknown[] = [426, 429, 503];
/** Most of what counts of `Retry-After`, because the client waits up to twice that time. */
const LONGEST_ADVICE_SECONDS = 150; // seconds

/**
 * Asks a gateway that has refused a connection how long to wait: its answer to a plain request has
 * `Retry-After` while it refuses everyone. Returns once to twice that time in milliseconds, so that not all
 * clients return at the same moment; 0 when the answer names no time.
 */
export async function inquire(
  { fetch, random }: Pick<Environment, "fetch" | "random">,
  url: string,
  question: Question,
): Promise<number> {
  // The token is not needed.
  const answer = await fetch?.(url.replace(/^ws/, "http"), question);
  // NaN for a date, which gateways do not send.
  const seconds = Number(answer?.headers.get("Retry-After"));
  if (!(seconds > 0) || !BUSY.includes(answer?.status)) return 0;
  return Math.min(seconds, LONGEST_ADVICE_SECONDS) * (1 + random()) * 1000;
}
