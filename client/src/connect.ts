/** The life of a client: its sockets, its timers, its token. What to ask and what to pass on, others decide. */

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

/** How long a gateway may take for its welcome; and a connection that has lasted so long was a good one: the next wait is a short one. */
const PATIENCE = 10_000; // 10 s
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
  readonly #timers: Timers;
  readonly #emitter = new Emitter();
  readonly #registry = new Registry();
  readonly #page: Page;
  readonly #course: Course;
  readonly #requests: Requests;
  #window = FIRST_WINDOW;
  /** Attempts since a connection lasted. */
  #failures = 0;
  /** When to come back, in milliseconds, as the gateway has said. */
  #planned: number | undefined;
  #socket: Socket | undefined;
  /** Ends the question how long to stay away. */
  #question: AbortController | undefined;
  /** From the welcome on. */
  #pulse: Pulse | undefined;
  #welcomedAt = 0;
  /** Counts attempts: what a token function answers too late is of no use. */
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
    // Not at once: whoever calls connect() wants to add listeners first.
    this.#timers.set("connect", 0, () => this.#start());
  }

  get status(): Status {
    return this.#emitter.status;
  }

  subscribe<Data>(channels: string | readonly string[], listener: Listener<Data>): () => void {
    return this.#registry.add([channels].flat(), listener as Listener, this.#course.top, () => {
      this.#requests.pumpAfter(0); // Once for all calls of this tick.
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

  // ——— coming and going ———

  /** Something around the client has changed. */
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
    // Whoever was told of it may have closed the client, paused it, or begun another attempt, which ends here.
    if (this.status.state === "connecting") void this.#open(++this.#attempt);
  }

  async #open(attempt: number): Promise<void> {
    this.#timers.set("welcome", PATIENCE, () => this.#lose("no welcome"));
    const token = await this.#newToken(attempt);
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
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onerror = () => {}; // A close follows.
    // A connection that never opened was refused, or there was nobody: the socket does not tell.
    socket.onclose = ({ code, reason }) => this.#lose(reason || (this.#pulse ? "lost" : "refused"), code);
    this.#renewLater(token);
  }

  /** Lets go of the socket. The place in the stream is kept. */
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
    if (this.#pulse && this.#timers.now() - this.#welcomedAt > PATIENCE) this.#failures = 0;
    if (HOPELESS.includes(code)) return this.#end(`protocol error: ${reason}`, code);
    if (code === TOKEN_EXPIRED && typeof this.#token !== "function") return this.#end("token expired", code);
    const wait = this.#planned ?? backoff(this.#window, this.#failures++, this.#environment.random());
    this.#planned = undefined;
    this.#leave("waiting", reason, { code, retryAt: Date.now() + wait });
    // Whoever was told of it may have closed the client or hurried it on.
    if (this.status.state !== "waiting") return;
    this.#timers.set("connect", wait, () => this.#start());
    if (reason === "refused") void this.#inquire(wait, code);
  }

  /**
   * A gateway that lets nobody in says in its answer to a plain request how long to stay away. That is waited for at least, and at most
   * twice as long, so that not all come back at once. The answer has as long to come as the wait lasts.
   */
  async #inquire(wait: number, code: number): Promise<void> {
    const attempt = this.#attempt;
    this.#question = new AbortController();
    try {
      // Without the token, which is not asked for. Of the options of a request the controller has the one that is needed: `signal`.
      const answer = await this.#environment.fetch?.(this.#url.replace(/^ws/, "http"), this.#question);
      const advice = Number(answer?.headers.get("Retry-After")) * 1000; // NaN for a date, which no gateway sends.
      if (attempt === this.#attempt && advice > 0) {
        this.#planned = Math.max(wait, advice * (1 + this.#environment.random()));
        this.#lose("asked to wait", code);
      }
    } catch {} // Nobody is there, or what answers is not for this page to read.
  }

  #end(reason: string, code = this.status.code): void {
    this.#page.end();
    this.#registry.clear();
    this.#leave("closed", reason, { code });
    this.#emitter.clear();
  }

  // ——— what the gateway says ———

  #receive(text: unknown): void {
    this.#pulse?.heard();
    const message = parsed(text);
    if (!message) return this.#lose("not understood"); // Something in between has answered.
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
          // Answers come in the order of the questions. What was asked before and has none was not read.
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
        // Most often a gateway that is busy with an answer and refuses a replay. The answer to this will show what is to be done.
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
    // Whoever was told of something may have closed the client or paused it; also below.
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

  /** Asks for a token: "" when none is needed, undefined when there is none now. */
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
