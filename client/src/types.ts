/** What an application sees of the client. */

import type { Envelope, ErrorCode, ThrottleLevel } from "@odin-ws/protocol";

export type { Envelope };

/**
 * - `connecting`: a socket is being opened, or was opened and has not been welcomed yet.
 * - `open`: messages flow.
 * - `waiting`: until `retryAt`, then it connects again.
 * - `offline`: the browser says that there is no network; it connects when there is.
 * - `paused`: the page is hidden, or the application called `pause()`; it connects when that is over.
 * - `closed`: for good, by `close()` or because coming back cannot help; `reason` says which.
 */
export type State = "connecting" | "open" | "waiting" | "offline" | "paused" | "closed";

/** The client at one moment. Never changed: a new object takes its place, so it can be compared with `===`. */
export interface Status {
  readonly state: State;
  /** Why it is in this state, for a person to read; empty while everything is as it should be. */
  readonly reason: string;
  /** Close code of the last connection that ended, 0 when none has. */
  readonly code: number;
  /** Date.now() of the next attempt, while `waiting`. */
  readonly retryAt?: number | undefined;
  /** Instance name of the gateway that answered last. */
  readonly gateway?: string | undefined;
  /** Round trip of the last heartbeat, in milliseconds. */
  readonly latencyMs?: number | undefined;
  /** 0: everything is sent. Above: this client reads too slowly, and less is sent. */
  readonly throttle: ThrottleLevel;
}

/** Messages of these channels were lost for good: fetch their present state in another way. Live messages go on. */
export interface Refetch {
  /** Channels and patterns as they were subscribed, in short form; each once. */
  readonly channels: readonly string[];
  /** `history`: away for longer than the gateways remember. `epoch`: the stream was replaced. `overflow`: too much to remember here. */
  readonly reason: "history" | "epoch" | "overflow";
}

/** Something that the application or its token has to mend; the connection goes on without it. */
export interface ClientError {
  /** A code of the gateway, or `token`: the application's token function threw `message`. */
  readonly code: ErrorCode | "token";
  readonly message: string;
  /** The channels that are not subscribed because of it. */
  readonly channels: readonly string[];
}

export interface Events {
  /** Something in `client.status` has changed. */
  status: Status;
  refetch: Refetch;
  /** These channels have become live: what is published from here on comes. Not told again when one more listener joins a channel. */
  subscribed: { readonly channels: readonly string[] };
  error: ClientError;
}

export interface MessageInfo {
  /** Older than a message that this channel brought before: it was left out while the client was throttled, and came later. */
  readonly late: boolean;
}

export type Listener<Data = unknown> = (message: Envelope<Data>, info: MessageInfo) => void;

export interface Client {
  /** Always there; another object after every change. */
  readonly status: Status;
  /**
   * Calls `listener` with every message of these channels and patterns (`BTC.trade`, `BTC.*`, `*.trade`) from now on, in order
   * for each channel, each message once, also when several of them match it. Calls are independent of each other: a function that is
   * given to two calls is called by both. On a closed client nothing comes.
   *
   * @returns a function that ends it; calling it again does nothing
   * @throws TypeError when a name is neither a channel nor a pattern
   */
  subscribe<Data = unknown>(channels: string | readonly string[], listener: Listener<Data>): () => void;
  /** Calls `listener` at every event of a kind; returns a function that ends it. */
  on<Name extends keyof Events>(event: Name, listener: (event: Events[Name]) => void): () => void;
  /** Leaves the gateway and stays away until `resume()`, which goes on where it stopped. */
  pause(): void;
  /** Ends `pause()`; while `waiting` it connects at once, while `open` it checks the line. */
  resume(): void;
  /** Ends the client for good: no timer, no socket and no event listener is left. */
  close(): void;
}

export interface ConnectOptions {
  /**
   * A JWT, or a function that gives one. The function is asked before every connection and before its token expires; a plain string cannot
   * be renewed, and ends the client when it expires.
   */
  token?: string | (() => string | Promise<string>);
  /** A page that has been hidden for so many milliseconds leaves until it is looked at. Default 300_000 (5 min); Infinity: never. */
  pauseHiddenAfter?: number;
  /** For tests and for other environments: what the client uses of its surroundings. */
  environment?: Partial<Environment>;
}

/** The part of the WebSocket interface that is used. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(text: string): void;
  close(): void;
}

/** The part of `document` and `window` that is used. */
export interface Watchable {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** The part of a request's options that is used. */
export interface Question {
  signal: AbortSignal;
}

/** Everything outside the client. Every default is the global of the same name, as browsers and Node 22 and later have it. */
export interface Environment {
  open(url: string): Socket;
  /** Asks why a connection was refused, and for how long; undefined: that is not asked. */
  fetch:
    | ((url: string, init: Question) => Promise<{ headers: { get(name: string): string | null } }>)
    | undefined;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** 0 to 1. */
  random(): number;
  /** Tells of `online` and `offline`; undefined where there is no such thing. */
  window: Watchable | undefined;
  navigator: { readonly onLine?: boolean } | undefined;
  /** Tells of `visibilitychange`. */
  document: (Watchable & { readonly hidden: boolean }) | undefined;
}
