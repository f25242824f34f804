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
  environment: Clock;
  open: Environment["open"];
}

type Clock = Pick<Environment, "now" | "setTimeout" | "clearTimeout">;

interface CloseEvent {
  code: number;
  reason: string;
}

/** What the client knows about WebSockets in its network. Outlives its sockets. */
interface Experience {
  /** The last connection that had a welcome was a WebSocket. */
  works: boolean;
  /** When the first attempt after that connection began, ms; 0: no attempt yet. */
  since: number;
  /** Failed attempts of the background since a WebSocket has worked. */
  failed: number;
}

/**
 * A WebSocket without a welcome after this time may be blocked: then the client also asks over HTTP. A
 * gateway takes up to 1.5 s when it first checks the user's other connections.
 */
const WELCOME_MS = 3000; // 3 s
/**
 * A client that has had a WebSocket tries only WebSockets for this time after a loss: gateways that are gone
 * or busy are more likely than another network, and a client over HTTP costs the gateways several times the
 * CPU. The time is well below the 30 s of the history.
 */
const TRUST_MS = 10_000; // 10 s
const MAX_DOUBLINGS = 4;
/** Close codes from here on come from a gateway, and never from a proxy. */
const FIRST_OWN_CODE = 4000;
const REFUSED: CloseEvent = { code: 1006, reason: "" };

/**
 * Returns the option `fallback` of `connect`. Every connection begins as a WebSocket. When the WebSocket
 * fails, or a gateway answers over HTTP before it welcomes the WebSocket, the connection continues over HTTP.
 * It tries the WebSocket again in the background after a while, and ends when a WebSocket works, so that the
 * client resumes there.
 */
export function fallback(
  options: FallbackOptions = {},
): (environment: Clock & Pick<Environment, "open">, works?: unknown) => void {
  const { rollout, pollMs = 2000, stream = true, returnAfterMs = 60_000 } = options;
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const chosen = rollout === undefined || isInRollout(rollout.key, rollout.percent);
  return (environment, works) => {
    const { open } = environment;
    const settings = { chosen, pollMs, stream, returnAfterMs, fetch: send, environment, open };
    const experience = { works: !!works, since: 0, failed: 0 };
    environment.open = (url) => new EitherSocket(url, settings, experience);
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
  readonly #experience: Experience;
  #url: string;
  #inner: Socket | undefined;
  #http: HttpSocket | undefined;
  /** Ends the running attempt of a WebSocket; undefined: none is running. */
  #endAttempt: (() => void) | undefined;
  #timer: unknown;

  constructor(url: string, settings: Settings, experience: Experience) {
    this.#url = url;
    this.#settings = settings;
    this.#experience = experience;
    if (settings.chosen) this.#begin();
    else this.#receiveOverHttp();
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
    this.#settings.environment.clearTimeout(this.#timer);
    this.#endAttempt?.();
    this.#inner?.close();
    this.#http?.close();
  }

  #end(event: CloseEvent): void {
    const { onclose } = this;
    this.close();
    onclose?.(event);
  }

  /** Passes everything of this socket to the client, and first this welcome. */
  #pass(socket: Socket, welcome: { data: unknown }): void {
    this.#inner = socket;
    socket.onmessage = (event) => this.onmessage?.(event);
    socket.onclose = (event) => this.#end(event);
    this.onmessage?.(welcome);
  }

  /** Begins with a WebSocket. */
  #begin(): void {
    const experience = this.#experience;
    const now = this.#settings.environment.now();
    experience.since ||= now;
    const trusts = experience.works && now - experience.since < TRUST_MS;
    this.#attempt(
      (socket, welcome) => {
        this.#http?.close();
        this.#http = undefined;
        this.#pass(socket, welcome);
      },
      (event) => {
        if (trusts || event.code >= FIRST_OWN_CODE) this.#end(event);
        else this.#receiveOverHttp();
      },
      // Busy gateways welcome the WebSocket before they answer over HTTP. So the attempt continues.
      () => trusts || this.#receiveOverHttp(),
    );
  }

  #receiveOverHttp(): void {
    if (this.#http) return;
    const http = new HttpSocket(this.#url, this.#settings);
    this.#http = http;
    http.onmessage = (welcome) => {
      this.#endAttempt?.();
      Object.assign(this.#experience, { works: false, since: 0 });
      if (this.#settings.chosen) this.#tryLater();
      this.#pass(http, welcome);
    };
    http.onclose = (event) => {
      this.#http = undefined;
      if (!this.#endAttempt) this.#end(event);
    };
  }

  /** Tries the WebSocket again, while the client gets its messages over HTTP. */
  #tryLater(): void {
    const { environment, returnAfterMs } = this.#settings;
    const wait = returnAfterMs * 2 ** Math.min(this.#experience.failed, MAX_DOUBLINGS);
    const again = () => {
      this.#endAttempt?.();
      this.#experience.failed++;
      this.#http?.hold(false);
      this.#tryLater();
    };
    // Random, so that clients that fell back together do not return together.
    this.#timer = environment.setTimeout(
      () => {
        // The stream has a seat that the WebSocket may need.
        this.#http?.hold(true);
        this.#attempt(
          (socket) => {
            socket.close();
            // The client connects again and resumes. It had no gap until now.
            this.#http?.leave("WebSockets work");
          },
          again,
          again,
        );
      },
      wait * (0.75 + Math.random() * 0.5),
    );
  }

  /**
   * Opens a WebSocket. Calls `welcomed` with the gateway's welcome, or `failed`; before, it may call `late`.
   * Throws when the address is invalid.
   */
  #attempt(
    welcomed: (socket: Socket, welcome: { data: unknown }) => void,
    failed: (event: CloseEvent) => void,
    late: () => void,
  ): void {
    const { environment, open } = this.#settings;
    const socket = open(this.#url);
    const stop = () => {
      environment.clearTimeout(timer);
      socket.onmessage = socket.onclose = null;
      this.#endAttempt = undefined;
    };
    const end = () => {
      stop();
      socket.close();
    };
    const timer = environment.setTimeout(late, WELCOME_MS);
    this.#endAttempt = end;
    socket.onmessage = (event) => {
      const { data } = event;
      // A proxy may have answered.
      if (typeof data !== "string" || !data.includes('"type":"welcome"')) {
        end();
        return failed(REFUSED);
      }
      stop();
      Object.assign(this.#experience, { works: true, since: 0, failed: 0 });
      welcomed(socket, event);
    };
    socket.onerror = () => {}; // A close follows.
    socket.onclose = (event) => {
      stop();
      failed(event);
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
