/** The life of a client: its sockets, its timers, its token. What to ask and what to pass on, others decide. */

import type { ClientMessage, ServerMessage, Welcome } from "@odin-ws/protocol";
import { Backoff } from "./backoff.ts";
import { Course } from "./course.ts";
import { Emitter } from "./emitter.ts";
import { defaultEnvironment, report } from "./environment.ts";
import { Page } from "./page.ts";
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
  State,
  Status,
} from "./types.ts";

/** How long a gateway may take for its welcome, and the pause before a token function is asked again. */
const PATIENCE = 10_000; // 10 s
/** A connection that has lasted so long was a good one: the next wait is a short one. */
const PROVEN = 10_000; // 10 s
/** Before a replay is asked for again that the gateway was too busy for. */
const RETRY = 500; // 0.5 s
/** Close codes that say that this client has broken the protocol: coming back would not help. */
const HOPELESS: readonly number[] = [1002, 1007, 1009];
const TOKEN_EXPIRED = 4401;

/**
 * Connects to a gateway, and again whenever the connection is lost, until `close()`.
 *
 * @param url `ws://HOST:PORT/ws` or `wss://…`, without the token
 * @returns a client that works already: subscribe at once
 */
export function connect(url: string, options: ConnectOptions = {}): Client {
  return new Connection(url, options);
}

class Connection implements Client {
  readonly #url: string;
  readonly #token: ConnectOptions["token"];
  readonly #environment: Environment;
  readonly #timers: Timers<"connect" | "welcome" | "beat" | "renew" | "pump" | "retry">;
  readonly #emitter = new Emitter();
  readonly #registry = new Registry();
  readonly #page: Page;
  readonly #course: Course;
  readonly #requests: Requests;
  readonly #backoff = new Backoff();
  #socket: Socket | undefined;
  /** From the welcome on. */
  #pulse: Pulse | undefined;
  #welcomedAt = 0;
  /** Counts attempts: what a token function answers too late is of no use. */
  #attempt = 0;

  constructor(url: string, { token, pauseHiddenAfter, environment }: ConnectOptions) {
    this.#url = url;
    this.#token = token;
    this.#environment = { ...defaultEnvironment(), ...environment };
    this.#timers = new Timers(this.#environment);
    this.#course = new Course({
      deliver: (envelope, late) => this.#registry.deliver(envelope, late, report),
      replay: (from_seq, to_seq) => this.#send({ type: "replay", from_seq, to_seq }),
      refill: (since, round) => this.#requests.catchUp(since, round),
      begin: () => this.#registry.begin(-1),
      refetch: (reason) => {
        const channels = this.#requests.live;
        if (channels.length > 0) this.#emitter.emit("refetch", { channels, reason });
      },
      restart: (reason) => this.#lose(reason),
    });
    this.#requests = new Requests(this.#registry, this.#emitter, {
      send: (message) => this.#send(message),
      later: (ms) => this.#pumpAfter(ms),
      now: this.#environment.now,
      caughtUp: (round, whole) => {
        this.#course.refilled(whole, round);
        this.#pulse?.beat(round);
      },
    });
    this.#page = new Page(this.#environment, pauseHiddenAfter, () => this.#look());
    // Not at once: whoever calls connect() wants to add listeners first.
    this.#timers.set("connect", 0, () => this.#start());
  }

  get status(): Status {
    return this.#emitter.status;
  }

  subscribe<Data>(channels: string | readonly string[], listener: Listener<Data>): () => void {
    if (this.#closed) throw new Error("the client is closed");
    return this.#registry.add([channels].flat(), listener as Listener, this.#course.top, () => {
      this.#pumpAfter(0); // Once for all calls of this tick.
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
    if (!this.#closed) this.#end("closed");
  }

  get #closed(): boolean {
    return this.status.state === "closed";
  }

  // ——— coming and going ———

  /** Something around the client has changed. */
  #look(): void {
    if (this.#closed) return;
    const { away } = this.#page;
    if (away) this.#leave(...away);
    else if (this.#pulse) this.#pulse.check();
    else if (this.status.state !== "connecting") this.#start();
  }

  #start(): void {
    const { away } = this.#page;
    this.#leave(...(away ?? (["connecting", this.status.reason] as const)));
    // Whoever was told of it may have closed the client or paused it.
    if (this.status.state === "connecting") void this.#open(this.#attempt);
  }

  async #open(attempt: number): Promise<void> {
    this.#timers.set("welcome", PATIENCE, () => this.#lose("no welcome"));
    const token = await this.#ask(attempt);
    if (attempt !== this.#attempt) return;
    if (token === undefined) return this.#lose("no token");
    const query = token && `${this.#url.includes("?") ? "&" : "?"}auth=${encodeURIComponent(token)}`;
    let socket: Socket;
    try {
      socket = this.#environment.open(this.#url + query);
    } catch (error) {
      return this.#end(`${error}`); // The address is none, or not allowed here.
    }
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(data as string);
    // A connection that never opened was refused, or there was nobody: a browser does not tell.
    socket.onclose = ({ code, reason }) => this.#lose(reason || (this.#pulse ? "lost" : "refused"), code);
    this.#renewLater(token);
  }

  /** Lets go of the socket. The place in the stream is kept. */
  #leave(state: State, reason: string, change: Partial<Status> = {}): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#pulse = undefined;
    this.#attempt++;
    this.#requests.closed();
    this.#timers.clear();
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this.#emitter.set({ retryAt: undefined, throttle: 0, ...change, state, reason });
  }

  #lose(reason: string, code = 1006): void {
    const lived = this.#environment.now() - this.#welcomedAt;
    if (this.#pulse && lived > PROVEN) this.#backoff.failures = 0;
    if (HOPELESS.includes(code)) return this.#end(`protocol error: ${reason}`, code);
    if (code === TOKEN_EXPIRED && typeof this.#token !== "function") {
      return this.#end("token expired", code);
    }
    const wait = this.#backoff.next(this.#environment.random());
    this.#leave("waiting", reason, { code, retryAt: Date.now() + wait });
    // Whoever was told of it may have closed the client or hurried it on.
    if (this.status.state === "waiting") this.#timers.set("connect", wait, () => this.#start());
  }

  #end(reason: string, code = this.status.code): void {
    this.#page.end();
    this.#registry.clear();
    this.#leave("closed", reason, { code });
    this.#emitter.clear();
  }

  // ——— what the gateway says ———

  #receive(text: string): void {
    this.#pulse?.heard();
    const message: ServerMessage = JSON.parse(text);
    if ("channel" in message) return this.#course.envelope(message);
    switch (message.type) {
      case "welcome":
        return this.#welcome(message);
      case "subscription_ack":
        return this.#requests.acknowledged(message);
      case "heartbeat_ack": {
        const beat = this.#pulse?.answered();
        if (!beat) return;
        this.#course.heartbeatAck(message, beat.round);
        return this.#emitter.set({ latencyMs: beat.ms });
      }
      case "replay_end":
        return this.#course.replayEnd(message);
      case "throttle_update":
        this.#emitter.set({ throttle: message.level });
        return this.#course.throttled(message);
      case "reconnect":
        this.#backoff.planned = message.in_ms;
        return;
      case "error":
        if (message.code !== "rate_limited") this.#requests.refused(message);
        // A gateway that is busy with an answer refuses a replay. Anything else that it did not read, a new connection makes good.
        else {
          this.#timers.set("retry", RETRY, () => this.#course.askAgain() || this.#lose(message.code));
        }
    }
  }

  #welcome(welcome: Welcome): void {
    const { now } = this.#environment;
    this.#timers.stop("welcome");
    this.#welcomedAt = now();
    this.#backoff.window = welcome.reconnect;
    const since = this.#course.welcome(welcome, this.#requests.live.length > 0);
    const line = {
      now,
      beat: () => this.#send({ type: "heartbeat" }),
      later: (ms: number, callback: () => void) => this.#timers.set("beat", ms, callback),
      lose: (reason: string) => this.#lose(reason),
    };
    this.#requests.opened(since);
    this.#pulse = new Pulse(line, welcome.heartbeat_seconds);
    this.#emitter.set({ state: "open", reason: "", gateway: welcome.instance });
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #pumpAfter(ms: number): void {
    this.#timers.set("pump", ms, () => this.#requests.pump());
  }

  // ——— the token ———

  /** Asks for a token: "" when none is needed, undefined when there is none now. */
  async #ask(attempt: number): Promise<string | undefined> {
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
      const fresh = await this.#ask(attempt);
      if (attempt !== this.#attempt) return;
      if (fresh && fresh !== token) this.#requests.authenticate(fresh);
      this.#renewLater(fresh || token);
    });
  }
}
