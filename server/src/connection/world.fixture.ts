/** A stream with its clock, and what all connections share, for tests of connections. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import { steadyClock } from "../clock.ts";
import { CompactEncoder } from "../delivery/compact-encoder.ts";
import { Fanout } from "../delivery/fanout.ts";
import { History } from "../delivery/history.ts";
import { LastValues } from "../delivery/last-values.ts";
import { Message } from "../delivery/message.ts";
import type { StreamEnd } from "../delivery/stream-end.ts";
import { Tally } from "../delivery/tally.ts";
import type { Verifier } from "../entrance/auth.ts";
import { createMetrics } from "../metrics.ts";
import { Writes } from "../outgoing/writes.ts";
import type { Connection } from "./connection.ts";
import { ConnectionLog } from "./connection-log.ts";
import type { ConnectionContext, ConnectionLimits } from "./context.ts";
import type { ManualWrites } from "./manual-time.fixture.ts";
import { ReplayBudget } from "./replay-budget.ts";
import type { ThrottleSettings } from "./throttle.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { Turns } from "./turns.ts";

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
