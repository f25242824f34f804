/** The public types of the client. */

import type { Envelope, ErrorCode, ThrottleLevel } from "@odin-ws/protocol";

export type { Envelope };

/**
 * - `connecting`: a socket is being opened, or waits for the gateway's welcome.
 * - `open`: messages flow.
 * - `waiting`: the client reconnects at `retryAt`.
 * - `offline`: like `waiting`, and the browser reports that there is no network. The client also reconnects
 *   when the browser reports a network.
 * - `paused`: the page is hidden, or the application called `pause()`; the client reconnects when the page is
 *   visible again, or after `resume()`.
 * - `closed`: the client has ended and never reconnects, after `close()` or because a reconnect cannot help;
 *   `reason` says why.
 */
export type State = "connecting" | "open" | "waiting" | "offline" | "paused" | "closed";

/**
 * The status of the client. The object is immutable: every change makes a new object, so `===` shows a
 * change.
 */
export interface Status {
  readonly state: State;
  /** Why the client is in this state, for people; empty while everything works. */
  readonly reason: string;
  /** Close code of the last connection that ended; 0 when no connection has ended. */
  readonly code: number;
  /** Time of the next attempt in milliseconds since 1970, while `waiting` or `offline`. */
  readonly retryAt?: number | undefined;
  /** Instance name of the last gateway that welcomed the client. */
  readonly gateway?: string | undefined;
  /** Round trip of the last heartbeat, in milliseconds. */
  readonly latencyMs?: number | undefined;
  /**
   * 0: the gateway sends everything. Above 0: the gateway sends less, because this client reads too slowly or
   * the gateway is overloaded.
   */
  readonly throttle: ThrottleLevel;
}

/**
 * Messages of these channels are lost: fetch the channels' present state in another way. Live messages
 * continue.
 */
export interface Refetch {
  /** Channels and patterns as they were subscribed, in short form, without duplicates. */
  readonly channels: readonly string[];
  /**
   * - `history`: the client was away for longer than the gateways' history lasts.
   * - `epoch`: the stream was replaced.
   * - `overflow`: while a gap was open, more messages arrived than the client can remember.
   */
  readonly reason: "history" | "epoch" | "overflow";
}

/** An error that the application must fix. The connection continues without the named channels. */
export interface ClientError {
  /** An error code of the gateway, or `token`: the application's token function has failed or is slow. */
  readonly code: ErrorCode | "token";
  readonly message: string;
  /** The channels that are not subscribed because of this error. */
  readonly channels: readonly string[];
}

export interface Events {
  /** `client.status` has changed. */
  status: Status;
  refetch: Refetch;
  /**
   * These channels are live now: the client gets everything that is published from now on. A second listener
   * of a live channel causes no event.
   */
  subscribed: { readonly channels: readonly string[] };
  error: ClientError;
}

export interface MessageInfo {
  /**
   * The channel has delivered a newer message before: the gateway had dropped this message while the client
   * was throttled.
   */
  readonly late: boolean;
}

/** What a subscription wants beyond its channels. */
export interface SubscribeOptions {
  /**
   * Messages a second of each channel that are enough, 0.1 to 100; the newest ones come. Other listeners of
   * the same channel may want more: then this one gets more, too. Default: all messages.
   */
  maxRate?: number | undefined;
  /**
   * Calls the listener first with the newest message of each channel that this client does not know yet; such
   * a message has `last: true`.
   */
  last?: boolean | undefined;
}

export type Listener<Data = unknown> = (message: Envelope<Data>, info: MessageInfo) => void;

export interface Client {
  /** The current status; another object after every change. */
  readonly status: Status;
  /**
   * Calls `listener` with every message of these channels and patterns (`BTC.trade`, `BTC.*`, `*.trade`) from
   * now on. The messages of each channel come in order. A message that several channels match comes once.
   * Subscriptions are independent: a function that is subscribed twice is called twice. A closed client calls
   * no listener.
   *
   * @returns a function that ends the subscription; calling the function again has no effect
   * @throws TypeError when a name is neither a channel nor a pattern
   */
  subscribe<Data = unknown>(
    channels: string | readonly string[],
    listener: Listener<Data>,
    options?: SubscribeOptions,
  ): () => void;
  /** Calls `listener` for every event with this name. Returns a function that removes the listener. */
  on<Name extends keyof Events>(event: Name, listener: (event: Events[Name]) => void): () => void;
  /** Disconnects until `resume()`, which continues from the same position in the stream. */
  pause(): void;
  /** Ends `pause()`. While `waiting` the client reconnects at once; while `open` it checks the connection. */
  resume(): void;
  /** Ends the client: no timer, no socket and no event listener is left. */
  close(): void;
}

export interface ConnectOptions {
  /**
   * A JWT, or a function that returns one. The client calls the function before every connection, and before
   * the token expires, and never while an earlier call is running, for up to 1 min. A plain string cannot be
   * renewed: the client ends when it expires.
   */
  token?: string | (() => string | Promise<string>);
  /**
   * Parses the JSON text of a whole message instead of JSON.parse, for example to keep integers above 2 ** 53
   * exact. The client uses only the property `data` of the result. If `parse` throws, the error is reported
   * as an uncaught error, and the message has the data of JSON.parse.
   */
  parse?: (text: string) => unknown;
  /**
   * `compact` of `@odin-ws/client/compact`: asks the gateway for an encoding that takes about half of the
   * bytes. The client uses JSON when a gateway does not know the encoding, and after a message that cannot be
   * decoded. Default: JSON.
   */
  encoding?: (environment: Pick<Environment, "open">) => void;
  /**
   * What to do where WebSockets do not work. Default: after an attempt without a welcome of a gateway, the
   * client loads the fallback, and receives over HTTP until WebSockets work again. `fallback(…)` of
   * `@odin-ws/client/fallback`: the same with options, such as a rollout. False: only WebSockets.
   */
  fallback?: false | ((environment: Environment) => void);
  /**
   * A page that was hidden for this many milliseconds disconnects until it is visible. Default 300_000 (5
   * min); Infinity: never.
   */
  pauseHiddenAfter?: number;
  /** Replaces parts of the environment, for tests and for platforms other than browsers and Node. */
  environment?: Partial<Environment>;
}

/** The part of the WebSocket interface that the client uses. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  /** Set to `arraybuffer` before the first message. */
  binaryType?: string;
  send(text: string): void;
  close(): void;
}

/** The part of `document` and `window` that the client uses. */
export interface Watchable {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** The part of the options of `fetch` that the client uses. */
export interface Question {
  signal: AbortSignal;
}

/**
 * Everything that the client uses from outside. Every default is the global of the same name in browsers and
 * in Node 22 or later.
 */
export interface Environment {
  open(url: string): Socket;
  /** Asks a gateway that refused a connection how long to wait; undefined: the client does not ask. */
  fetch:
    | ((
        url: string,
        init: Question,
      ) => Promise<{ status: number; headers: { get(name: string): string | null } }>)
    | undefined;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** A random number from 0 to 1. */
  random(): number;
  /** Has the events `online` and `offline`; undefined where they do not exist. */
  window: Watchable | undefined;
  navigator: { readonly onLine?: boolean } | undefined;
  /** Has the event `visibilitychange`; undefined where there is no page. */
  document: (Watchable & { readonly hidden: boolean }) | undefined;
}
