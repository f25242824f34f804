/**
 * A client for tests of connections: the real Connection and Commands, on a fake socket whose reader the test
 * controls.
 */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { getDefaultHighWaterMark } from "node:stream";
import { type TestContext, test } from "node:test";
import { constants, inflateRawSync } from "node:zlib";
import type { ControlMessage, Envelope } from "@odin-ws/protocol";
import { Registry } from "prom-client";
import { steadyClock } from "../clock.ts";
import { CompactEncoder } from "../delivery/compact-encoder.ts";
import { Fanout } from "../delivery/fanout.ts";
import { History } from "../delivery/history.ts";
import { LastValues } from "../delivery/last-values.ts";
import { Message } from "../delivery/message.ts";
import type { StreamEnd } from "../delivery/stream-end.ts";
import { Tally } from "../delivery/tally.ts";
import type { Identity, Verifier } from "../entrance/auth.ts";
import type { ClientSocket } from "../entrance/client-socket.ts";
import { createMetrics } from "../metrics.ts";
import { Writes } from "../outgoing/writes.ts";
import { Commands } from "./commands.ts";
import { CompactReader } from "./compact-reader.fixture.ts";
import { Connection } from "./connection.ts";
import { ConnectionLog } from "./connection-log.ts";
import type { ConnectionContext, ConnectionLimits } from "./context.ts";
import type { ManualWrites } from "./manual-time.fixture.ts";
import { ReplayBudget } from "./replay-budget.ts";
import type { ThrottleSettings } from "./throttle.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { Turns } from "./turns.ts";

const { Z_SYNC_FLUSH } = constants;
const HIGH_WATER_MARK = getDefaultHighWaterMark(false);

/**
 * Like net.Socket: holds bytes by reference until the reader takes them, and emits `drain` when all bytes are
 * taken.
 */
export class FakeSocket extends EventEmitter {
  /** Bytes that the reader will still take. */
  room = Number.POSITIVE_INFINITY;
  writableLength = 0;
  writableNeedDrain = false;
  writable = true;
  readonly received: Buffer[] = [];
  readonly #held: Uint8Array[] = [];

  write(bytes: Uint8Array): boolean {
    this.#held.push(bytes);
    this.writableLength += bytes.length;
    this.#flush();
    const more = this.writableLength < HIGH_WATER_MARK;
    if (!more) this.writableNeedDrain = true;
    return more;
  }

  cork(): void {}
  uncork(): void {}

  /** Lets the reader take this many more bytes. */
  read(bytes = Number.POSITIVE_INFINITY): void {
    this.room += bytes;
    this.#flush();
    if (this.writableLength > 0 || !this.writableNeedDrain) return;
    this.writableNeedDrain = false;
    this.emit("drain");
  }

  #flush(): void {
    for (let first = this.#held[0]; first !== undefined && first.length <= this.room; first = this.#held[0]) {
      this.#held.shift();
      this.room -= first.length;
      this.writableLength -= first.length;
      this.take(Buffer.from(first));
    }
  }

  /** The reader has taken these bytes. */
  protected take(bytes: Buffer): void {
    this.received.push(bytes);
  }
}

export const LIMITS: ConnectionLimits = {
  maxChannels: 256,
  inboundRate: 1e6,
  inboundBurst: 1e6,
  replayBuffer: 100,
  sendBufferBytes: 100_000,
  pingSeconds: 25,
};
export const THROTTLE: ThrottleSettings = {
  policy: "priority",
  percent: [100, 75, 50, 25],
  recoveryMs: 30_000,
  maxLevel: 3,
};

// The default metrics can be registered only once a process. The counts are not tested here.
export const METRICS = createMetrics(new Registry());

interface MessageOptions {
  /** Characters of its data, by chance. */
  size?: number;
  priority?: string | undefined;
  /** The beginning of its data. */
  mark?: string;
}

/** A stream and the context that its connections share. The clock stands at 1,000,000 s until `pass`. */
export class World {
  /** Messages that were left out because of rates, counted for each subscriber. */
  leftOut = 0;
  readonly #timers = new Set<{ at: number; callback: () => void }>();
  readonly context: ConnectionContext;
  offset = 0;
  /** Lines of the connection log. */
  readonly logged: Record<string, unknown>[] = [];
  readonly #clock: TestContext["mock"]["timers"];

  constructor(
    t: TestContext,
    options: {
      limits?: Partial<ConnectionLimits>;
      verify?: Verifier;
      maxMessages?: number;
      maxAgeMs?: number;
      streamEnd?: StreamEnd;
      /** Default: everything is done at once. */
      turns?: Turns;
      /** Default: every frame is written at once. */
      writes?: ManualWrites;
      /** Events whose messages use the previous message. Undefined: no compact encoding. */
      compact?: string[];
    } = {},
  ) {
    this.#clock = t.mock.timers;
    this.#clock.reset();
    this.#clock.enable({ apis: ["Date"], now: 1e9 });
    t.mock.method(steadyClock, "now", () => Date.now());
    this.context = {
      limits: { ...LIMITS, ...options.limits },
      throttle: THROTTLE,
      history: new History({
        maxAgeMs: options.maxAgeMs ?? 3_600_000,
        maxMessages: options.maxMessages ?? 100_000,
        maxBytes: 1e9,
      }),
      lastValues: new LastValues({ maxAgeMs: 86_400_000, maxBytes: 1e9 }),
      fanout: new Fanout({
        now: () => Date.now(),
        after: (ms, callback) => {
          const timer = { at: Date.now() + ms, callback };
          this.#timers.add(timer);
          return () => this.#timers.delete(timer);
        },
        leftOut: (_, subscribers) => {
          this.leftOut += subscribers;
        },
      }),
      wheel: new TimerWheel(1e6),
      turns: options.turns ?? new Turns(() => 0),
      writes: new Writes({
        metrics: METRICS,
        sendBufferBytes: options.limits?.sendBufferBytes ?? LIMITS.sendBufferBytes,
        atTurnEnd: (flush) => flush(),
        now: () => 0, // writes take no time, so that no pause follows
        ...options.writes?.options,
      }),
      replayBudget: new ReplayBudget(),
      metrics: METRICS,
      tally: new Tally(METRICS),
      compact: options.compact && new CompactEncoder(options.compact),
      connectionLog: new ConnectionLog({
        log: { info: (fields: object, text: string) => this.logged.push({ ...fields, text }) } as never,
        perSecond: 1000,
        onLeftOut: () => {},
        now: () => Date.now(),
      }),
      verify: options.verify,
      streamEnd: options.streamEnd,
      degraded: new Set(),
    };
    this.context.history.begin("e", 0);
  }

  get second(): number {
    return Date.now() / 1000;
  }

  /** Adds a message to the history without delivering it. */
  make(channel: string, options: MessageOptions = {}): Message {
    const message = Message.from({
      subject: `odin.token.${channel}`,
      offset: ++this.offset,
      ts: Date.now(),
      // Compression must not make the message small: the tests fill the buffers of sockets.
      body: Buffer.from(
        JSON.stringify(
          (options.mark ?? "") +
            randomBytes(options.size ?? 0)
              .toString("base64")
              .slice(0, options.size ?? 0),
        ),
      ),
      priority: options.priority,
    });
    assert.ok(message);
    this.context.history.append(message, Date.now());
    this.context.lastValues?.put(message, Date.now());
    return message;
  }

  /** Delivers a message and returns its offset. */
  publish(channel: string, options: MessageOptions = {}): number {
    const message = this.make(channel, options);
    this.deliver(message);
    return message.offset;
  }

  deliver(message: Message): void {
    this.context.compact?.live(message);
    this.context.fanout.publish(message);
    this.context.tally.flush(message);
  }

  /** Drops a message to shed load. */
  shed(channel: string, options: MessageOptions = {}): void {
    this.drop(this.make(channel, options));
  }

  drop(message: Message): void {
    this.context.fanout.shed(message);
    this.context.tally.flush(message);
  }

  /** Makes a dictionary of an event from the last messages of the history. */
  define(event: string): void {
    const messages = this.context.history.all().filter((message) => message.event === event);
    const texts = messages.slice(-4).map(({ compactText: { text } }) => text);
    if (texts.length > 0) this.context.compact?.dictionaries.set({ event, bytes: Buffer.concat(texts) });
  }

  /** Another stream takes the place of this one: what a gateway then does for its connections. */
  replaceStream(epoch: string, connections: readonly Connection[]): void {
    this.begin(epoch);
    this.context.lastValues?.begin(0);
    this.context.fanout.begin();
    for (const connection of connections) {
      connection.begin();
      connection.announce("another stream has begun");
    }
  }

  /** Another stream begins. */
  begin(epoch: string): void {
    this.offset = 0;
    this.context.history.begin(epoch, 0);
    this.context.compact?.begin();
  }

  /** Lets milliseconds pass, with the messages that wait because of a rate. */
  passMs(ms: number): void {
    const end = Date.now() + ms;
    for (;;) {
      const [next] = [...this.#timers].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#clock.tick(Math.max(0, next.at - Date.now()));
      next.callback();
    }
    this.#clock.tick(end - Date.now());
  }

  /** Lets seconds pass one by one, with the gateway's work in each second. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.passMs(1000);
      this.context.wheel.advance(this.second);
      this.context.history.trim(Date.now());
      for (const connection of this.context.degraded) connection.checkRecovery(Date.now());
    }
  }
}

/** A received envelope. Its own `type` is replaced by `envelope`. */
export type ReceivedEnvelope = Omit<Envelope, "type"> & { type: "envelope" };
type Received = ControlMessage | ReceivedEnvelope | { type: "ping" };

function parseFrame(first: number, payload: Buffer, reader: CompactReader): Received | undefined {
  if (first === 0x89) return { type: "ping" };
  if (first === 0x82) {
    const text = reader.read(payload);
    return text === undefined ? undefined : { ...JSON.parse(text), type: "envelope" };
  }
  const deflated = Buffer.concat([payload, Buffer.from([0, 0, 0xff, 0xff])]);
  const bytes = first === 0xc1 ? inflateRawSync(deflated, { finishFlush: Z_SYNC_FLUSH }) : payload;
  const message = JSON.parse(bytes.toString());
  return "data" in message ? { ...message, type: "envelope" } : message;
}

export class FakeClient {
  readonly socket = new FakeSocket();
  readonly connection: Connection;
  readonly closed: number[] = [];
  readonly reader: CompactReader;
  terminated = false;
  readonly #commands: Commands;
  #read = 0;

  constructor(
    world: World,
    options: {
      identity?: Identity;
      throttle?: Partial<ThrottleSettings>;
      deflateWindowBits?: number;
      /** Asks for the compact encoding; keeps the dictionaries of this reader. */
      compact?: CompactReader;
    } = {},
  ) {
    this.reader = new CompactReader(options.compact?.known);
    const dictionaries = options.compact && new Set(options.compact.known.keys());
    const ws = {
      deflateWindowBits: options.deflateWindowBits ?? 0,
      close: (code: number) => void this.closed.push(code),
      cut: () => {
        this.terminated = true;
      },
    };
    this.connection = new Connection(world.context, {
      id: "c",
      ws: ws as unknown as ClientSocket,
      socket: this.socket as unknown as Socket,
      identity: options.identity,
      throttle: { ...THROTTLE, ...options.throttle },
      second: world.second,
      dictionaries,
    });
    if (dictionaries !== undefined) this.connection.refer(dictionaries);
    this.#commands = new Commands(world.context, this.connection);
    this.connection.open();
  }

  send(message: object): void {
    this.connection.markAlive();
    this.#commands.handle(JSON.stringify(message));
  }
  subscribe(channels: string[], offset?: number, epoch = "e", options: object = {}): void {
    const since = offset === undefined ? {} : { since: { epoch, offset } };
    this.send({ type: "subscribe", channels, ...since, ...options });
  }

  /** Returns the messages since the last call. */
  take(): Received[] {
    let bytes = Buffer.concat(this.socket.received.slice(this.#read));
    this.#read = this.socket.received.length;
    const received: Received[] = [];
    while (bytes.length > 0) {
      const [first = 0, second = 0] = bytes;
      const start = second < 126 ? 2 : second === 126 ? 4 : 10;
      const length = second < 126 ? second : second === 126 ? bytes.readUInt16BE(2) : bytes.readUInt32BE(6);
      const one = parseFrame(first, bytes.subarray(start, start + length), this.reader);
      if (one !== undefined) received.push(one);
      bytes = bytes.subarray(start + length);
    }
    return received;
  }
  /** Returns the envelopes since the last call, and discards other messages. */
  envelopes(): ReceivedEnvelope[] {
    return this.take().filter((message) => message.type === "envelope");
  }
  /** Returns the control messages of a type since the last call, and discards other messages. */
  controls<Type extends ControlMessage["type"]>(type: Type): Extract<ControlMessage, { type: Type }>[] {
    return this.take().filter((message) => message.type === type) as Extract<
      ControlMessage,
      { type: Type }
    >[];
  }
}

/** `[seq, offset]` of each. */
export const pairs = (envelopes: ReceivedEnvelope[]) => envelopes.map(({ seq, offset }) => [seq, offset]);

// Other test files import this file, and these must not run the test.
if (import.meta.main) {
  test("the fake socket behaves like Node's: its results, its held bytes and its drain", async (t) => {
    const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection");
    const real = connect((server.address() as AddressInfo).port, "127.0.0.1");
    await once(real, "connect");
    const [reader] = (await accepted) as [Socket];
    t.after(() => {
      real.destroy();
      reader.destroy();
      server.close();
    });
    const fake = new FakeSocket();
    const chunk = Buffer.alloc(HIGH_WATER_MARK / 4);
    assert.deepEqual([real.write(chunk), real.writableLength], [fake.write(chunk), fake.writableLength]);
    // Until the kernel's buffer is full.
    while (real.writableLength === 0) real.write(Buffer.alloc(65_536));
    fake.room = 0;
    const held = real.writableLength;
    fake.write(Buffer.alloc(held));
    for (let i = 0; i < 3; i++) {
      assert.equal(fake.write(chunk), real.write(chunk));
      assert.equal(fake.writableLength, real.writableLength);
      assert.equal(fake.writableNeedDrain, real.writableNeedDrain);
    }
    const drained: number[] = [];
    fake.once("drain", () => drained.push(fake.writableLength));
    fake.read(held);
    assert.equal(drained.length, 0);
    fake.read();
    real.once("drain", () => drained.push(real.writableLength));
    reader.resume();
    await once(real, "drain");
    assert.deepEqual(drained, [0, 0]);
    assert.deepEqual([fake.writableNeedDrain, real.writableNeedDrain], [false, false]);
  });
}
