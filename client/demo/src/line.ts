/** The page's own sockets, so that it can do to the connection what networks and slow phones do: cut it, and read it slowly. */

import type { Socket } from "../../src/index.ts";

/** What the page has seen of the line. Another object after every change. */
export interface Traffic {
  /** Messages in the last second. */
  readonly perSecond: number;
  /** Time from publishing to reading, of the last message that was not sent again; undefined when none came. */
  readonly ageMs: number | undefined;
  readonly slow: boolean;
}

/** How a `subscribe` with `since` was answered: whether everything that was missed could be had, and how many messages that were. */
export interface CatchUp {
  readonly whole: boolean;
  readonly messages: number;
}

interface Watcher {
  traffic(traffic: Traffic): void;
  caughtUp(catchUp: CatchUp): void;
}

const SECOND = 1_000;
/** A slow reader takes this share of what came in the last second before. Still more than a gateway sends of what is critical. */
const SLOW_SHARE = 1 / 4;
/** How often a slow reader reads, and at least how much a second. */
const SLOW_MS = 100;
const MIN_SLOW = 4;

interface StreamConnection {
  readable: ReadableStream<string>;
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
  /** Messages a second; undefined: as they come. */
  #pace: number | undefined;
  #perSecond = 0;
  #budget = 0;
  readonly #waiting = new Set<() => void>();
  #count = 0;
  #age: number | undefined;

  constructor(watcher: Watcher) {
    this.#watcher = watcher;
    setInterval(() => this.#tick(), SECOND);
    setInterval(() => this.#refill(), SLOW_MS);
  }

  readonly open = (url: string): Socket => {
    const { WebSocketStream } = globalThis as { WebSocketStream?: SocketStreamClass };
    const socket =
      WebSocketStream === undefined
        ? new QueueSocket(url, this)
        : new StreamSocket(new WebSocketStream(url), this);
    this.#sockets.add(socket);
    return socket;
  };

  /** As if the network had gone: no goodbye, the gateway hears of nothing. */
  cut(): void {
    for (const socket of this.#sockets) socket.end({ code: 1006, reason: "line cut" });
  }

  set slow(slow: boolean) {
    this.#pace = slow ? Math.max(MIN_SLOW, this.#perSecond * SLOW_SHARE) : undefined;
    this.#budget = 0;
    if (!slow) this.#wake();
    this.#tell();
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

  read(text: string): void {
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
    this.#tell();
    this.#count = 0;
    this.#age = undefined;
  }

  #tell(): void {
    this.#watcher.traffic({ perSecond: this.#perSecond, ageMs: this.#age, slow: this.#pace !== undefined });
  }
}

/** What both kinds of sockets have in common: they end once, and say so. */
abstract class LineSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  protected readonly line: Line;
  protected over = false;

  constructor(line: Line) {
    this.line = line;
  }

  protected deliver(text: string): void {
    if (this.over) return;
    this.line.read(text);
    this.onmessage?.({ data: text });
  }

  /** Ends it here and now, whatever the other end knows of it. */
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

/** Where the browser lets a page read at its own pace: what it leaves unread fills the gateway's buffers, as with any slow reader. */
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
      for await (const text of readable) {
        const turn = this.line.turn();
        if (turn !== undefined) await turn;
        this.deliver(text);
      }
      const { closeCode, reason } = await this.#stream.closed;
      this.end({ code: closeCode, reason });
    } catch {
      this.end({ code: 1006, reason: "" });
    }
  }

  send(text: string): void {
    // What cannot be written any more is told by the end of the reading.
    this.#writer?.write(text).catch(() => {});
  }

  protected shut(): void {
    try {
      this.#stream.close();
    } catch {
      // It had not been opened.
    }
    this.#stream.closed.catch(() => {});
  }
}

/** Elsewhere the browser reads on, and only the page is slow. */
class QueueSocket extends LineSocket {
  readonly #socket: WebSocket;
  readonly #queue: string[] = [];
  #reading = false;

  constructor(url: string, line: Line) {
    super(line);
    this.#socket = new WebSocket(url);
    this.#socket.onmessage = ({ data }) => {
      this.#queue.push(String(data));
      if (!this.#reading) void this.#read();
    };
    this.#socket.onclose = ({ code, reason }) => this.end({ code, reason });
  }

  async #read(): Promise<void> {
    this.#reading = true;
    for (let text = this.#queue.shift(); text !== undefined; text = this.#queue.shift()) {
      const turn = this.line.turn();
      if (turn !== undefined) await turn;
      this.deliver(text);
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
