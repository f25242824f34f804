/**
 * For tests: an environment whose clock, network and page the test controls, and the gateway's end of each
 * socket.
 */

import type { ClientMessage, ServerMessage, Welcome } from "@odin-ws/protocol";
import type { Environment, Socket } from "./types.ts";

export class FakeSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  readonly url: string;
  readonly sent: ClientMessage[] = [];
  readonly sentAt: number[] = [];
  closed = false;
  binaryType = "blob";
  /** Further fields of the welcome. */
  welcomeExtra: Partial<Welcome> = {};
  /** The fake gateway answers heartbeats with this offset. */
  offset: number | undefined;
  seq = 0;
  readonly #now: () => number;

  constructor(url: string, now: () => number) {
    this.url = url;
    this.#now = now;
  }

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    this.sent.push(message);
    this.sentAt.push(this.#now());
    if (message.type !== "heartbeat" || this.offset === undefined) return;
    const { seq, offset } = this;
    queueMicrotask(() => this.say({ type: "heartbeat_ack", ts: 0, seq, offset }));
  }

  close(): void {
    this.closed = true;
  }

  /** Messages that the client has sent, without heartbeats. */
  get asked(): ClientMessage[] {
    return this.sent.filter(({ type }) => type !== "heartbeat");
  }

  say(message: ServerMessage | string): void {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  welcome(offset = 0, epoch = "e"): void {
    this.offset = offset;
    const reconnect = { min_ms: 500, max_ms: 1000 };
    const welcome = { connection: "c", instance: "g", epoch, offset, heartbeat_seconds: 25, reconnect };
    this.say({ type: "welcome", ...welcome, ...this.welcomeExtra });
  }

  acknowledge(subscribed: string[], resumed?: { recovered: boolean; replayed: number }): void {
    this.say({ type: "subscription_ack", subscribed, count: subscribed.length, ...resumed });
  }

  /** The next envelope. */
  publish(channel: string, offset: number): void {
    this.offset = offset;
    this.say({ seq: ++this.seq, offset, ts: 0, type: "t", priority: "high", channel, data: offset });
  }

  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}

export class FakeLine {
  readonly sockets: FakeSocket[] = [];
  readonly page = this.#watchable({ hidden: false });
  readonly window = this.#watchable({});
  readonly navigator = { onLine: true };
  /** The client's random number, 0 to 1. */
  luck = 0;
  /**
   * Plain requests, and their answers: a value of `Retry-After`, or undefined when nobody answers.
   */
  readonly questions: { url: string; signal: AbortSignal }[] = [];
  advice: string | null | undefined;
  /** Status of these answers. */
  status = 426;
  #now = 0;
  #timers = new Map<object, { at: number; callback: () => void }>();

  readonly environment: Environment = {
    open: (url) => {
      const socket = new FakeSocket(url, () => this.#now);
      this.sockets.push(socket);
      return socket;
    },
    fetch: async (url, { signal }) => {
      this.questions.push({ url, signal });
      const { advice, status } = this;
      if (advice === undefined) throw new TypeError("fetch failed");
      return { status, headers: { get: (name) => (name.toLowerCase() === "retry-after" ? advice : null) } };
    },
    now: () => this.#now,
    setTimeout: (callback, ms) => {
      const timer = {};
      this.#timers.set(timer, { at: this.#now + Math.max(0, ms), callback });
      return timer;
    },
    clearTimeout: (timer) => {
      this.#timers.delete(timer as object);
    },
    random: () => this.luck,
    window: this.window,
    navigator: this.navigator,
    document: this.page,
  };

  /** Number of running timers, and of event listeners at window and document. */
  get left(): number {
    return this.#timers.size + this.page.listeners.length + this.window.listeners.length;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  }

  /** Lets this many milliseconds pass, and runs the due timers in their order. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await new Promise(setImmediate);
      const [timer, due] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
      if (timer === undefined || due === undefined || due.at > end) break;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, due.at);
      due.callback();
    }
    this.#now = end;
  }

  #watchable<More extends object>(more: More) {
    const listeners: { type: string; listener: () => void }[] = [];
    return {
      ...more,
      listeners,
      addEventListener: (type: string, listener: () => void) => void listeners.push({ type, listener }),
      removeEventListener: (type: string, listener: () => void) => {
        const index = listeners.findIndex((entry) => entry.type === type && entry.listener === listener);
        if (index !== -1) listeners.splice(index, 1);
      },
      fire: () => {
        for (const { listener } of [...listeners]) listener();
      },
    };
  }
}
