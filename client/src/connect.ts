/**
 * The life of a client: its sockets, its timers, its token. Course and Requests decide what to deliver and
 * what to send.
 */

import type { ClientMessage, Welcome } from "@odin-ws/protocol";
import { backoff, FIRST_WINDOW } from "./backoff.ts";
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
import type { Client, ConnectOptions, Environment, Events, Listener, Socket, Status } from "./types.ts";

/**
 * How long the client waits for the welcome. After a connection that lasted longer than this, waits are short
 * again.
 */
const PATIENCE_MS = 10_000; // 10 s
/** Close codes that mean that this client has broken the protocol: a reconnect would not help. */
const HOPELESS: readonly number[] = [1002, 1007, 1009];
const TOKEN_EXPIRED = 4401;

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
  readonly #environment: Environment;
  readonly #timers: Timers;
  readonly #emitter = new Emitter();
  readonly #registry = new Registry();
  readonly #page: Page;
  readonly #course: Course;
  readonly #requests: Requests;
  #window = FIRST_WINDOW;
  /** Failed attempts since the last connection that lasted. */
  #failures = 0;
  /** The next wait in milliseconds, if the gateway has named one. */
  #planned: number | undefined;
  #socket: Socket | undefined;
  /** Aborts the running question how long to wait. */
  #question: AbortController | undefined;
  /** Set from the welcome to the end of the connection. */
  #pulse: Pulse | undefined;
  #welcomedAt = 0;
  /** Number of the current attempt. A callback of an earlier attempt is ignored. */
  #attempt = 0;

  constructor(url: string, { token, pauseHiddenAfter, environment }: ConnectOptions) {
    this.#url = url;
    this.#token = token;
    this.#environment = environmentOf(url, environment);
    this.#timers = new Timers(this.#environment);
    this.#course = new Course({
      deliver: (envelope, late) => this.#registry.deliver(envelope, late),
      replay: (from_seq, to_seq) => this.#requests.replay({ type: "replay", from_seq, to_seq }),
      refill: (since, round) => this.#requests.refill(since, round),
      begin: () => this.#registry.begin(-1),
      refetch: (reason) => {
        const channels = this.#requests.live;
        if (channels.length > 0) this.#emitter.emit("refetch", { channels, reason });
      },
      restart: (reason) => this.#lose(reason),
    });
    this.#requests = new Requests(
      this.#registry,
      this.#emitter,
      this.#timers,
      (message) => this.#send(message),
      (round, whole) => {
        this.#course.refilled(whole, round);
        this.#pulse?.beat(round);
      },
    );
    this.#page = new Page(this.#environment, pauseHiddenAfter, () => this.#look());
    // Later, so that the caller of connect() can add listeners first.
    this.#timers.set("connect", 0, () => this.#start());
  }

  get status(): Status {
    return this.#emitter.status;
  }

  subscribe<Data>(channels: string | readonly string[], listener: Listener<Data>): () => void {
    return this.#registry.add([channels].flat(), listener as Listener, this.#course.top, () => {
      this.#requests.pumpAfter(0); // One request for all calls of this tick.
    });
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
    this.#look();
  }

  close(): void {
    this.#end("closed");
  }

  // ——— connecting and disconnecting ———

  /** The page, the network or the application's wish has changed. */
  #look(): void {
    if (this.status.state === "closed") return;
    const { away } = this.#page;
    if (away) this.#leave(...away);
    else if (this.#pulse) this.#pulse.check();
    else if (this.status.state !== "connecting") this.#start();
  }

  #start(): void {
    const { away } = this.#page;
    this.#leave(...(away ?? (["connecting", this.status.reason] as const)));
    // A listener may have closed or paused the client, or started another attempt. Then this attempt ends.
    if (this.status.state === "connecting") void this.#open(++this.#attempt);
  }

  async #open(attempt: number): Promise<void> {
    this.#timers.set("welcome", PATIENCE_MS, () => this.#lose("no welcome"));
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
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = () => {}; // A close follows.
    // A connection that never opened was refused, or no gateway answered: the socket does not show which.
    socket.onclose = ({ code, reason }) => this.#lose(reason || (this.#pulse ? "lost" : "refused"), code);
    this.#renewLater(token);
  }

  /** Drops the socket and all requests. The position in the stream is kept. */
  #leave(state: Status["state"], reason: string, change: Partial<Status> = {}): void {
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
    this.#emitter.set({ retryAt: undefined, throttle: 0, ...change, state, reason });
  }

  #lose(reason: string, code = 1006): void {
    if (this.#pulse && this.#timers.now() - this.#welcomedAt > PATIENCE_MS) this.#failures = 0;
    if (HOPELESS.includes(code)) return this.#end(`protocol error: ${reason}`, code);
    if (code === TOKEN_EXPIRED && typeof this.#token !== "function") return this.#end("token expired", code);
    const wait = this.#planned ?? backoff(this.#window, this.#failures++, this.#environment.random());
    this.#planned = undefined;
    this.#leave("waiting", reason, { code, retryAt: Date.now() + wait });
    // A listener may have closed the client or called resume().
    if (this.status.state !== "waiting") return;
    this.#timers.set("connect", wait, () => this.#start());
    if (reason === "refused") void this.#inquire(wait, code);
  }

  /**
   * Asks a gateway that has refused the connection how long to wait: its answer to a plain request has
   * `Retry-After` while it refuses everyone. The client then waits once to twice that time, so that not all
   * clients return at the same moment. The answer must come before the current wait ends.
   */
  async #inquire(wait: number, code: number): Promise<void> {
    const attempt = this.#attempt;
    this.#question = new AbortController();
    try {
      // The token is not needed. The controller serves as options, because it has the property `signal`.
      const answer = await this.#environment.fetch?.(this.#url.replace(/^ws/, "http"), this.#question);
      // NaN for a date, which gateways do not send.
      const advice = Number(answer?.headers.get("Retry-After")) * 1000;
      if (attempt === this.#attempt && advice > 0) {
        this.#planned = Math.max(wait, advice * (1 + this.#environment.random()));
        this.#lose("asked to wait", code);
      }
    } catch {} // No gateway answered, or this page may not read the answer.
  }

  #end(reason: string, code = this.status.code): void {
    this.#page.end();
    this.#registry.clear();
    this.#leave("closed", reason, { code });
    this.#emitter.clear();
  }

  // ——— messages of the gateway ———

  #receive(text: unknown): void {
    this.#pulse?.heard();
    const message = parsed(text);
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
        this.#planned = message.in_ms;
        return;
      case "error":
        if (message.code !== "rate_limited") this.#requests.refused(message);
        // Most often the gateway has refused a replay, because it is busy. The next heartbeat_ack shows what
        // is missing.
        else this.#pulse?.beat();
    }
  }

  #welcome(welcome: Welcome): void {
    this.#timers.stop("welcome");
    this.#welcomedAt = this.#timers.now();
    this.#window = welcome.reconnect;
    this.#planned = undefined;
    const attempt = this.#attempt;
    const since = this.#course.welcome(welcome, this.#requests.live.length > 0);
    // A listener may have closed or paused the client; also below.
    if (attempt !== this.#attempt) return;
    this.#pulse = new Pulse(
      welcome.heartbeat_seconds,
      this.#timers,
      () => this.#send({ type: "heartbeat" }),
      (reason) => this.#lose(reason),
    );
    this.#emitter.set({ state: "open", reason: "", gateway: welcome.instance });
    if (attempt === this.#attempt) this.#requests.open(since);
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  // ——— the token ———

  /** Gets a token: "" when no token is needed, undefined when the token function failed. */
  async #newToken(attempt: number): Promise<string | undefined> {
    const token = this.#token;
    try {
      return typeof token === "function" ? await token() : (token ?? "");
    } catch (error) {
      const message = `${error}`;
      if (attempt === this.#attempt) this.#emitter.emit("error", { code: "token", message, channels: [] });
      return undefined;
    }
  }

  #renewLater(token: string): void {
    const wait = renewIn(token, Date.now());
    if (wait === undefined || typeof this.#token !== "function") return;
    const attempt = this.#attempt;
    this.#timers.set("renew", wait, async () => {
      const fresh = await this.#newToken(attempt);
      if (attempt !== this.#attempt) return;
      if (fresh && fresh !== token) this.#requests.renew(fresh);
      this.#renewLater(fresh || token);
    });
  }
}
