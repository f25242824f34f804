/**
 * The page's own sockets. With them the page can act like a bad network or a slow phone: cut the connection,
 * or read slowly.
 */

import { compact } from "../../src/compact.ts";
import type { Socket } from "../../src/index.ts";

/** Traffic on the page's sockets. Another object after every change. */
export interface Traffic {
  /** Messages in the last second. */
  readonly perSecond: number;
  /**
   * Age of the last envelope when the page read it; undefined when no envelope has arrived in the last
   * second.
   */
  readonly ageMs: number | undefined;
  readonly slow: boolean;
}

/**
 * The answer to a `subscribe` with `since`: whether the gateway had all missed messages, and their number.
 */
export interface CatchUp {
  readonly whole: boolean;
  readonly messages: number;
}

interface Watcher {
  traffic(traffic: Traffic): void;
  caughtUp(catchUp: CatchUp): void;
}

const SECOND = 1_000;
/** A slow reader reads this share of the rate before. This is still more than the critical messages alone. */
const SLOW_SHARE = 1 / 4;
/** Interval in which a slow reader reads, in milliseconds. */
const SLOW_MS = 100;
/** Messages per second that a slow reader reads at least. */
const MIN_SLOW = 4;

interface StreamConnection {
  readable: ReadableStream<string | Uint8Array>;
  writable: WritableStream<string>;
}
interface SocketStream {
  readonly opened: Promise<StreamConnection>;
  readonly closed: Promise<{ closeCode: number; reason: string }>;
  close(): void;
}
type SocketStreamClass = new (url: string) => SocketStream;

export class Line {
  readonly #watcher: Watcher;
  readonly #sockets = new Set<LineSocket>();
  /** Messages per second of a slow reader; undefined: full speed. */
  #pace: number | undefined;
  #perSecond = 0;
  #budget = 0;
  readonly #waiting = new Set<() => void>();
  #count = 0;
  #age: number | undefined;

  constructor(watcher: Watcher) {
    this.#watcher = watcher;
    compact(this.#environment);
    setInterval(() => this.#tick(), SECOND);
    setInterval(() => this.#refill(), SLOW_MS);
  }

  /** Opens sockets in the compact encoding, which the gateway may refuse. */
  readonly #environment = { open: (url: string): Socket => this.#open(url) };

  /** Opens a socket whose texts are read here, too. */
  readonly open = (url: string): Socket => {
    const inner = this.#environment.open(url);
    const socket: Socket = {
      onmessage: null,
      onclose: null,
      onerror: null,
      send: (text) => inner.send(text),
      close: () => inner.close(),
    };
    inner.onmessage = (event) => {
      this.#read(event.data as string);
      socket.onmessage?.(event);
    };
    inner.onclose = (event) => socket.onclose?.(event);
    return socket;
  };

  #open(url: string): Socket {
    const { WebSocketStream } = globalThis as { WebSocketStream?: SocketStreamClass };
    const socket =
      WebSocketStream === undefined
        ? new QueueSocket(url, this)
        : new StreamSocket(new WebSocketStream(url), this);
    this.#sockets.add(socket);
    return socket;
  }

  /** Acts like a lost network: the sockets end without a close message to the gateway. */
  cut(): void {
    for (const socket of this.#sockets) socket.end({ code: 1006, reason: "disconnected on this page" });
  }

  set slow(slow: boolean) {
    this.#pace = slow ? Math.max(MIN_SLOW, this.#perSecond * SLOW_SHARE) : undefined;
    this.#budget = 0;
    if (!slow) this.#wake();
    this.#report();
  }

  /** Resolves when the next message may be read; undefined: at once. */
  turn(): Promise<void> | undefined {
    if (this.#pace === undefined) return undefined;
    if (this.#budget >= 1) {
      this.#budget--;
      return undefined;
    }
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #refill(): void {
    if (this.#pace === undefined) return;
    this.#budget = Math.min(this.#pace, this.#budget + (this.#pace * SLOW_MS) / SECOND);
    if (this.#budget < 1 || this.#waiting.size === 0) return;
    this.#budget--;
    this.#wake();
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve();
  }

  #read(text: string): void {
    this.#count++;
    if (text.startsWith('{"seq":'))
      this.#age = Math.max(0, Date.now() - Number(/"ts":(\d+)/.exec(text)?.[1]));
    else if (text.startsWith('{"type":"subscription_ack"')) this.#acknowledged(text);
  }

  #acknowledged(text: string): void {
    const { recovered, replayed = 0 } = JSON.parse(text) as { recovered?: boolean; replayed?: number };
    if (recovered !== undefined) this.#watcher.caughtUp({ whole: recovered, messages: replayed });
  }

  forget(socket: LineSocket): void {
    this.#sockets.delete(socket);
  }

  #tick(): void {
    this.#perSecond = this.#count;
    this.#report();
    this.#count = 0;
    this.#age = undefined;
  }

  #report(): void {
    this.#watcher.traffic({ perSecond: this.#perSecond, ageMs: this.#age, slow: this.#pace !== undefined });
  }
}

/** Base of both kinds of sockets: ends once, and reports the end. */
abstract class LineSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  protected readonly line: Line;
  protected over = false;

  constructor(line: Line) {
    this.line = line;
  }

  protected deliver(data: unknown): void {
    if (!this.over) this.onmessage?.({ data });
  }

  /** Ends the socket at once, without waiting for the other end. */
  end(event: { code: number; reason: string }): void {
    if (this.over) return;
    this.over = true;
    this.line.forget(this);
    this.shut();
    this.onclose?.(event);
  }

  close(): void {
    this.shut();
  }

  abstract send(text: string): void;
  protected abstract shut(): void;
}

/**
 * For browsers with WebSocketStream, where a page can read at its own pace. Unread messages fill the
 * gateway's buffer.
 */
class StreamSocket extends LineSocket {
  readonly #stream: SocketStream;
  #writer: WritableStreamDefaultWriter<string> | undefined;

  constructor(stream: SocketStream, line: Line) {
    super(line);
    this.#stream = stream;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      const { readable, writable } = await this.#stream.opened;
      this.#writer = writable.getWriter();
      for await (const data of readable) {
        const turn = this.line.turn();
        if (turn !== undefined) await turn;
        this.deliver(data);
      }
      const { closeCode, reason } = await this.#stream.closed;
      this.end({ code: closeCode, reason });
    } catch {
      this.end({ code: 1006, reason: "" });
    }
  }

  send(text: string): void {
    // If writing fails, reading ends too, and reports the end.
    this.#writer?.write(text).catch(() => {});
  }

  protected shut(): void {
    try {
      this.#stream.close();
    } catch {
      // The stream was not open yet.
    }
    this.#stream.closed.catch(() => {});
  }
}

/** For other browsers: the browser reads at full speed, and only the page is slow. */
class QueueSocket extends LineSocket {
  readonly #socket: WebSocket;
  readonly #queue: unknown[] = [];
  #reading = false;

  constructor(url: string, line: Line) {
    super(line);
    this.#socket = new WebSocket(url);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => {
      this.#queue.push(data);
      if (!this.#reading) void this.#read();
    };
    this.#socket.onclose = ({ code, reason }) => this.end({ code, reason });
  }

  async #read(): Promise<void> {
    this.#reading = true;
    for (let data = this.#queue.shift(); data !== undefined; data = this.#queue.shift()) {
      const turn = this.line.turn();
      if (turn !== undefined) await turn;
      this.deliver(data);
    }
    this.#reading = false;
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  protected shut(): void {
    this.#socket.close();
  }
}
