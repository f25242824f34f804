/**
 * The life of a client: its sockets, its timers, its token. Course and Requests decide what to deliver and
 * what to send.
 */

import type { ClientMessage, Welcome } from "@odin-ws/protocol";
import { backoff, FIRST_WINDOW, QUICK_ATTEMPTS } from "./backoff.ts";
import { Course } from "./course.ts";
import { Emitter } from "./emitter.ts";
import { environmentOf } from "./environment.ts";
import { Page } from "./page.ts";
import { parsed } from "./parsed.ts";
import { Pulse } from "./pulse.ts";
import { Registry } from "./registry.ts";
import { Requests } from "./requests.ts";
import { Timers } from "./timers.ts";
import { renewIn } from "./token.ts";
import type {
  Client,
  ConnectOptions,
  Environment,
  Events,
  Listener,
  Socket,
  Status,
  SubscribeOptions,
} from "./types.ts";

/** How long an attempt may take until the welcome. */
const PATIENCE_MS = 10_000; // 10 s
/**
 * The first attempts after a loss may take only this long, because a load balancer may still choose the
 * gateway that is gone. After a connection that lasted longer than this time, waits are short again.
 */
const QUICK_PATIENCE_MS = 5_000; // 5 s
/**
 * From this number of failures on, an attempt may take `PATIENCE_MS` again: the gateways may be busy with the
 * clients of the gateway that is gone, and each attempt that is given up adds to their work.
 */
const IMPATIENT = 3;
/**
 * Close codes after which a reconnect would not help. 1002, 1007, 1009: this client has broken the protocol.
 * 4409: a newer connection of the same user took the seat; if this client reconnected, the two would end each
 * other in turn.
 */
const HOPELESS: readonly number[] = [1002, 1007, 1009, 4409];
const TOKEN_EXPIRED = 4401;
const ASKED = "asked to wait";
/** A gateway or proxy can make the client wait for this long, no longer. */
const LONGEST_WAIT_MS = 300_000; // 5 min
/** After this time, a call of the token function that has not answered counts as failed. */
const TOKEN_PATIENCE_MS = 60_000; // 1 min

/**
 * Connects to a gateway, and reconnects whenever the connection is lost, until `close()`.
 *
 * @param url `ws://HOST:PORT/ws` or `wss://…`, without the token
 * @returns a client that is ready: `subscribe` works before the connection is open
 */
export function connect(url: string, options: ConnectOptions = {}): Client {
  return new Connection(url, options);
}

class Connection implements Client {
  readonly #url: string;
  readonly #token: ConnectOptions["token"];
  readonly #parse: ConnectOptions["parse"];
  readonly #environment: Environment;
  /** The fallback to HTTP must still be loaded when it is needed. */
  #alone: boolean;
  readonly #timers: Timers;
  readonly #emitter = new Emitter();
  readonly #registry = new Registry();
  readonly #page: Page;
  readonly #course: Course;
  readonly #requests: Requests;
  #window = FIRST_WINDOW;
  /** Failed attempts since the last connection that lasted; see `backoff`. */
  #failures = QUICK_ATTEMPTS;
  /** The gateway has asked not to connect before this time. */
  #notBefore = 0;
  #socket: Socket | undefined;
  /** Aborts the running question how long to wait. */
  #question: AbortController | undefined;
  /** Set from the welcome to the end of the connection. */
  #pulse: Pulse | undefined;
  #welcomedAt = 0;
  /** The call of the token function whose token was not used yet. */
  #call: Promise<string> | undefined;
  #calledAt = 0;
  /** Number of the current attempt. A callback of an earlier attempt is ignored. */
  #attempt = 0;

  constructor(
    url: string,
    { token, parse, encoding, fallback, pauseHiddenAfter, environment }: ConnectOptions,
  ) {
    this.#url = url;
    this.#token = token;
    this.#parse = parse;
    this.#environment = environmentOf(environment);
    encoding?.(this.#environment);
    this.#alone = fallback === undefined;
    if (fallback) fallback(this.#environment);
    this.#timers = new Timers(this.#environment);
    this.#requests = new Requests(this.#registry, this.#emitter, this.#timers, {
      send: (message) => this.#send(message),
      answered: (recovered) => this.#course.answered(recovered),
      refilled: (round) => this.#pulse?.beat(round),
    });
    this.#course = new Course(this.#registry, this.#requests, {
      refetch: (reason) => {
        const channels = this.#requests.live;
        if (channels.length > 0) this.#emitter.emit("refetch", { channels, reason });
      },
      restart: (reason) => this.#lose(reason),
    });
    this.#page = new Page(this.#environment, pauseHiddenAfter, () => this.#look());
    // Later, so that the caller of connect() can add listeners first.
    this.#timers.set("open", 0, () => this.#start());
  }

  get status(): Status {
    return this.#emitter.status;
  }

  subscribe<Data>(
    channels: string | readonly string[],
    listener: Listener<Data>,
    options?: SubscribeOptions,
  ): () => void {
    return this.#registry.add(
      [channels].flat(),
      listener as Listener,
      this.#course.top,
      () => {
        this.#requests.pumpAfter(0); // One request for all calls of this tick.
      },
      options,
    );
  }

  on<Name extends keyof Events>(event: Name, listener: (event: Events[Name]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  pause(): void {
    this.#page.paused = true;
    this.#look();
  }

  resume(): void {
    this.#page.paused = false;
    this.#notBefore = 0;
    this.#look();
  }

  close(): void {
    this.#end("closed");
  }

  // ——— connecting and disconnecting ———

  /** The page, the network or the application's wish has changed. */
  #look(): void {
    const { away } = this.#page;
    const { state } = this.status;
    if (state === "closed") return;
    if (away) this.#leave("paused", away);
    else if (this.#pulse) this.#pulse.check();
    else if (this.#notBefore > this.#timers.now()) this.#lose(ASKED, this.status.code);
    else if (state !== "connecting") this.#start();
  }

  async #start(): Promise<void> {
    this.#leave("connecting", this.status.reason);
    // A listener may have closed or paused the client, or started another attempt. Then this attempt ends.
    if (this.status.state !== "connecting") return;
    const attempt = ++this.#attempt;
    this.#timers.set("open", this.#failures < IMPATIENT ? QUICK_PATIENCE_MS : PATIENCE_MS, () => {
      if (this.#socket) return this.#lose("no welcome");
      this.#lose("no token");
      this.#reportToken("no token");
    });
    const token = await this.#newToken(attempt);
    if (attempt !== this.#attempt) return;
    if (token === undefined) return this.#lose("no token");
    const query = token && `${this.#url.includes("?") ? "&" : "?"}auth=${encodeURIComponent(token)}`;
    let socket: Socket;
    try {
      socket = this.#environment.open(this.#url + query);
    } catch (error) {
      return this.#end(`${error}`); // The address is invalid, or the page may not use it.
    }
    this.#socket = socket;
    socket.onerror = () => {}; // A close follows.
    socket.onmessage = ({ data }) => this.#receive(data as string);
    // A connection that never opened was refused, or no gateway answered: the socket does not show which.
    socket.onclose = ({ code, reason }) => this.#lose(reason || (this.#pulse ? "lost" : "refused"), code);
    this.#renewLater(token);
  }

  /**
   * Drops the socket and all requests. The position in the stream is kept. `wait`: until the next attempt.
   */
  #leave(state: Status["state"], reason: string, wait?: number, code = this.status.code): void {
    const socket = this.#socket;
    this.#socket = this.#pulse = undefined;
    this.#attempt++;
    this.#question?.abort();
    this.#requests.close();
    this.#timers.clear();
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    if (wait) this.#timers.set("open", wait, () => this.#start());
    this.#emitter.set({
      retryAt: wait && Date.now() + wait,
      throttle: 0,
      code,
      state: wait && this.#environment.navigator?.onLine === false ? "offline" : state,
      reason,
    });
  }

  #lose(reason: string, code = 1006): void {
    const now = this.#timers.now();
    const pulse = this.#pulse;
    if (pulse)
      this.#failures =
        now - this.#welcomedAt < QUICK_PATIENCE_MS
          ? Math.max(QUICK_ATTEMPTS, this.#failures)
          : +(reason === "silent"); // clients notice silence at different times, and need no spread
    if (HOPELESS.includes(code) || (code === TOKEN_EXPIRED && typeof this.#token !== "function"))
      return this.#end(`ended: ${reason}`, code);
    let wait = this.#notBefore - now;
    if (wait <= 0)
      wait = Math.min(LONGEST_WAIT_MS, backoff(this.#window, this.#failures++, this.#environment.random()));
    this.#leave("waiting", reason, wait, code);
    // A listener may have closed the client or called resume(): then there is no next attempt to wait for.
    if (!pulse && this.status.retryAt) void this.#seekHelp(reason, wait);
  }

  /** The gateway has asked to wait this long. */
  #ask(ms: number): void {
    this.#notBefore = this.#timers.now() + Math.min(ms, LONGEST_WAIT_MS);
  }

  /**
   * No gateway has welcomed the client. Loads what only such clients need: the fallback to HTTP, for the next
   * attempt, and the question to a gateway that has refused the connection how long to wait. The answer must
   * come before the current wait ends.
   */
  async #seekHelp(reason: string, wait: number): Promise<void> {
    const attempt = this.#attempt;
    this.#question = new AbortController();
    try {
      const { fallback, inquire } = await import("./fallback.ts");
      if (this.#alone) fallback()(this.#environment, this.#welcomedAt);
      this.#alone = false;
      if (reason !== "refused" || attempt !== this.#attempt) return;
      const ms = await inquire(this.#environment, this.#url, this.#question);
      if (ms > 0 && attempt === this.#attempt) {
        this.#ask(Math.max(wait, ms));
        this.#look();
      }
    } catch {} // Without this help the client tries the WebSocket again.
  }

  #end(reason: string, code = this.status.code): void {
    this.#page.end();
    this.#registry.clear();
    this.#leave("closed", reason, undefined, code);
    this.#emitter.clear();
  }

  // ——— messages of the gateway ———

  #receive(text: string): void {
    this.#pulse?.heard();
    const message = parsed(text, this.#parse);
    if (!message) return this.#lose("not understood"); // A proxy in between may have answered.
    if ("channel" in message) return this.#course.envelope(message);
    switch (message.type) {
      case "welcome":
        return this.#welcome(message);
      case "subscription_ack":
        return this.#requests.answered(message);
      case "heartbeat_ack": {
        const beat = this.#pulse?.answered();
        if (!beat) return;
        const latencyMs = this.#timers.now() - beat.at;
        if (this.#requests.idle(beat.at)) {
          // Answers come in the order of the requests. The gateway has not read an earlier request without an
          // answer.
          if (this.#requests.waits) return this.#lose("rate_limited");
          this.#course.replayAgain();
        }
        this.#course.heartbeat(message, beat.round);
        return this.#emitter.set({ latencyMs });
      }
      case "replay_end":
        return this.#course.replayEnd(message);
      case "throttle_update":
        this.#emitter.set({ throttle: message.level });
        return this.#course.throttled(message);
      case "reconnect":
        return this.#ask(message.in_ms);
      case "error":
        if (message.code !== "rate_limited") this.#requests.refused(message);
        // Most often the gateway has refused a replay, because it is busy. The next heartbeat_ack shows what
        // is missing.
        else this.#pulse?.beat();
    }
  }

  #welcome(welcome: Welcome): void {
    this.#welcomedAt = this.#timers.now();
    this.#window = welcome.reconnect;
    this.#notBefore = 0;
    const attempt = this.#attempt;
    const since = this.#course.welcome(welcome, this.#requests.live.length > 0);
    // A listener may have closed or paused the client; also below.
    if (attempt !== this.#attempt) return;
    this.#pulse = new Pulse(
      this.#timers,
      () => this.#send({ type: "heartbeat" }),
      (reason) => this.#lose(reason),
    );
    this.#emitter.set({ state: "open", reason: "", gateway: welcome.instance });
    if (attempt === this.#attempt) this.#requests.open(since, welcome.max_channels);
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  // ——— the token ———

  #reportToken(message: string): void {
    this.#emitter.emit("error", { code: "token", message, channels: [] });
  }

  /**
   * Gets a token: "" when no token is needed, undefined when the token function failed. The function is not
   * called again while a call is running: this attempt then gets the token of that call.
   */
  async #newToken(attempt: number): Promise<string | undefined> {
    const token = this.#token;
    if (typeof token !== "function") return token ?? "";
    const now = this.#timers.now();
    if (!this.#call || now - this.#calledAt > TOKEN_PATIENCE_MS) {
      this.#calledAt = now;
      this.#call = (async () => token())();
    }
    try {
      return await this.#call;
    } catch (error) {
      if (attempt === this.#attempt) this.#reportToken(`${error}`);
      return undefined;
    } finally {
      // Otherwise a later attempt uses the call.
      if (attempt === this.#attempt) this.#call = undefined;
    }
  }

  #renewLater(token: string): void {
    if (typeof this.#token !== "function") return;
    const wait = renewIn(token, Date.now());
    if (wait === undefined) return;
    const attempt = this.#attempt;
    this.#timers.set("auth", wait, async () => {
      const fresh = await this.#newToken(attempt);
      if (attempt !== this.#attempt) return;
      if (fresh && fresh !== token) this.#requests.renew(fresh);
      this.#renewLater(fresh || token);
    });
  }
}
