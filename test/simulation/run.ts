/** Runs one schedule in a world of its own, and checks what the clients received. */

import { createHash } from "node:crypto";
import { type Journal, Model, type Stored, type Violation } from "../chaos/model.ts";
import { SimClock } from "./clock.ts";
import { SimGateway, type Variant } from "./gateway.ts";
import { ClientEnd, Link } from "./link.ts";
import { randomFrom } from "./random.ts";
import { CHANNELS, CLIENTS, GATEWAYS, type Schedule, type Step } from "./schedule.ts";
import { SimStream } from "./stream.ts";
import { SimTokens } from "./tokens.ts";
import { SimViewer } from "./viewer.ts";

/** Channels of one client. */
const WATCHED = 3;
/** Time until all clients are live, ms. */
const START_MS = 3000;
/** Time between two messages that are published all the time, ms. */
const STEADY_MS = 400;
/** Time with messages after the last step, ms: dead connections are noticed, and slow clients recover. */
const CALM_MS = 30_000;
/** Time after the last message, ms: heartbeats show each client what it lacks. */
const SETTLE_MS = 15_000;
const DRAIN_SECONDS = 2;
/** In this time a gateway writes the new epoch, ms. */
const NOTICE_MS = 1500;
/**
 * The number of clients that use the compact encoding, in half of the schedules. Each gateway makes
 * dictionaries of its own.
 */
const COMPACT_CLIENTS = 2;
/** The write delay of a third of the schedules. */
const WRITE_DELAY_MS = 20;
/** Messages that the gateways keep in a quarter of the schedules. */
const SHORT_HISTORY = 50;
/** A burst of this many messages can take messages from such a history that a client has not got yet. */
const BURST = 10;
/** A gateway that starts while NATS is away connects this long after the others, ms. */
const START_LAG_MS = 300;

export interface Result {
  violations: Violation[];
  /** Messages that the clients received, and losses that were reported. */
  received: number;
  refetches: number;
  stored: number;
  /** Start of the schedule on its clock, ms since 1970. */
  startedAt: number;
}

class World {
  readonly clock: SimClock;
  readonly stored: Stored[] = [];
  readonly losses: number[] = [];
  readonly viewers: SimViewer[];
  readonly #stream = new SimStream();
  readonly #tokens = new SimTokens();
  readonly #random: () => number;
  readonly #variant: Variant;
  readonly #gateways: SimGateway[];
  /** The last connection of each client. */
  readonly #links: (Link | undefined)[] = [];
  #n = 0;
  /**
   * Until then only the running gateways know that the stream went back. When all of them ended, the loss
   * would be reported too late: a known limit.
   */
  #knownUntil = 0;
  /** Time at which NATS is back, ms since 1970. */
  #natsBackAt = 0;

  /** @param compact the number of clients that use the compact encoding */
  constructor(clock: SimClock, random: () => number, variant: Variant, compact: number) {
    this.clock = clock;
    this.#variant = variant;
    this.#random = random;
    this.#gateways = Array.from({ length: GATEWAYS }, () => this.#startGateway());
    this.#stream.onStored = () => {
      for (const { source } of this.#gateways) source.stored();
    };
    this.viewers = Array.from({ length: CLIENTS }, (_, index) => {
      const name = `client ${index}`;
      const token = () => this.#tokens.issue(name);
      return new SimViewer(name, {
        open: (url) => this.#open(index, url),
        random,
        token,
        isCompact: index < compact,
      });
    });
    for (const [index, viewer] of this.viewers.entries()) viewer.listen(watchlist(index * 2));
  }

  publish(channel: string): void {
    const { now } = this.clock;
    const n = this.#n++;
    // Text that compression does not make small, so that clients in the compact encoding are slow as often.
    const text = createHash("sha512").update(String(n)).digest("base64");
    const body = Buffer.from(JSON.stringify({ n, text }));
    const offset = this.#stream.store(`odin.token.${channel}`, body, now);
    this.stored.push({ n, channel, offset, publishedAt: now, storedAt: now });
  }

  /** Publishes on one channel after the other, until `stop`. */
  publishSteadily(): () => void {
    let stopped = false;
    const next = () => {
      if (stopped) return;
      this.publish(CHANNELS[this.#n % CHANNELS.length] as string);
      this.clock.after(STEADY_MS, next);
    };
    next();
    return () => {
      stopped = true;
    };
  }

  take(step: Step): void {
    const { clock } = this;
    switch (step.name) {
      case "publish":
        // A burst of messages takes others from a short history.
        if (this.#variant.history < Infinity && step.count >= BURST) this.losses.push(clock.now);
        for (let n = 0; n < step.count; n++) this.publish(CHANNELS[step.channel] as string);
        break;
      case "cut":
        this.#links[step.client]?.cut();
        break;
      case "die":
        this.#links[step.client]?.die();
        break;
      case "stall":
        this.#links[step.client]?.stall(step.ms);
        break;
      case "block":
        this.#links[step.client]?.blockReading(step.ms);
        break;
      case "move":
        this.viewers[step.client]?.listen(watchlist(step.from));
        break;
      case "kill":
        if (clock.now < this.#knownUntil) break;
        this.#gateways[step.gateway]?.kill();
        clock.after(step.ms, () => this.#replaceGateway(step.gateway));
        break;
      case "drain":
        if (clock.now < this.#knownUntil) break;
        void this.#gateways[step.gateway]?.drain(DRAIN_SECONDS);
        clock.after(DRAIN_SECONDS * 1000 + step.ms, () => this.#replaceGateway(step.gateway));
        break;
      case "restart-consumer":
        void this.#gateways[step.gateway]?.source.restart();
        break;
      case "repeat":
        this.#gateways[step.gateway]?.source.repeat(step.count);
        break;
      case "lag": {
        const source = this.#gateways[step.gateway]?.source;
        if (source !== undefined) source.lagMs = step.ms;
        break;
      }
      case "nats-away":
        this.#loseNats(step.ms);
        break;
      case "tokens-away":
        this.#tokens.fail(step.ms);
        break;
      default:
        this.#harm(step);
    }
  }

  /** Takes messages from the stream. */
  #harm(step: Extract<Step, { name: "purge" | "recreate" | "go-back" }>): void {
    this.losses.push(this.clock.now);
    if (step.name === "go-back") {
      // A server loses messages only when it ends.
      this.#forgetUnread(this.#stream.goBack(step.count));
      this.#loseNats(step.ms);
      this.#knownUntil = this.#natsBackAt + NOTICE_MS;
    } else if (step.name === "purge") this.#stream.purge();
    else this.#stream.recreate();
  }

  /**
   * A gateway that has not read a lost message learns of the loss only from the epoch that another one
   * writes: its clients get the report too late, a known limit.
   */
  #forgetUnread(lost: readonly number[]): void {
    const readUpTo = Math.min(...this.#gateways.map(({ source }) => source.readUpTo));
    for (const seq of lost.filter((one) => one > readUpTo)) {
      this.stored.splice(
        this.stored.findLastIndex(({ offset }) => offset === seq),
        1,
      );
    }
  }

  #loseNats(ms: number): void {
    this.#natsBackAt = Math.max(this.#natsBackAt, this.clock.now + ms);
    for (const { source } of this.#gateways) source.disconnect(ms);
  }

  check(): Violation[] {
    const model = new Model(this.stored, this.losses);
    const violations = this.viewers.flatMap((viewer) =>
      viewer.journals
        .filter(({ liveAt }) => liveAt !== undefined || !viewer.isOpen)
        .flatMap((journal) => model.check(journal).filter(({ at, what }) => !hasLeft(journal, at, what))),
    );
    for (const [index, { isOpen, errors, current }] of this.viewers.entries()) {
      const report = (what: string) => violations.push({ who: `client ${index}`, at: this.clock.now, what });
      for (const error of errors) report(error);
      if (!isOpen) report("is not open at the end");
      for (const channel of current?.channels ?? []) {
        const last = this.stored.findLast((message) => message.channel === channel);
        const has = current?.entries.some((entry) => entry.kind === "message" && entry.n === last?.n);
        if (last !== undefined && last.publishedAt > (current?.liveAt ?? Infinity) && !has)
          report(`does not have the last message of ${channel}, ${last.n}`);
      }
    }
    return violations;
  }

  close(): void {
    for (const viewer of this.viewers) viewer.close();
    for (const gateway of this.#gateways) gateway.kill();
  }

  #startGateway(): SimGateway {
    const gateway = new SimGateway(this.clock, this.#stream, this.#random, this.#variant, this.#tokens);
    // When the stream went back, a gateway that was running notices and writes the new epoch. One that starts
    // before that reports the loss too late: a known limit.
    const away = this.#natsBackAt - this.clock.now;
    if (away > 0) gateway.source.disconnect(away + START_LAG_MS);
    return gateway;
  }

  #replaceGateway(index: number): void {
    this.#gateways[index]?.kill();
    this.#gateways[index] = this.#startGateway();
  }

  /** A client connects: the load balancer chooses a healthy gateway, or any one if none is healthy. */
  #open(client: number, url: string): ClientEnd {
    const healthy = this.#gateways.filter(({ isHealthy }) => isHealthy);
    const choice = healthy.length > 0 ? healthy : this.#gateways;
    const gateway = choice[Math.floor(this.#random() * choice.length)] as SimGateway;
    const end = new ClientEnd();
    const link = new Link(this.clock, url, end, this.#random);
    this.#links[client] = link;
    link.up(() => void gateway.accept(link));
    return end;
  }
}

/** A message that is dropped because the client is throttled may come after its listener has left. */
const LATE_MS = 30_000;
/** A message waits in the buffers of a slow client for at most this time before throttling begins, ms. */
const THROTTLED_MS = 10_000;
const hasLeft = ({ leftAt, entries }: Journal, at: number, what: string): boolean =>
  leftAt !== undefined &&
  at > leftAt - LATE_MS &&
  what.includes("is missing") &&
  entries.some((entry) => entry.kind === "throttled" && entry.at > at - THROTTLED_MS);

const watchlist = (from: number): string[] =>
  Array.from({ length: WATCHED }, (_, n) => CHANNELS[(from + n) % CHANNELS.length] as string);

export async function run({ chance, steps }: Schedule): Promise<Result> {
  const clock = new SimClock();
  const random = randomFrom(chance);
  const restore = clock.install(random);
  try {
    const startedAt = clock.now;
    const variant: Variant = {
      history: chance % 4 === 0 ? SHORT_HISTORY : Number.POSITIVE_INFINITY,
      writeDelayMs: chance % 3 === 0 ? WRITE_DELAY_MS : 0,
      policy: chance % 5 === 0 ? "rate" : "priority",
    };
    const world = new World(clock, random, variant, chance % 2 === 0 ? COMPACT_CLIENTS : 0);
    const stopPublishing = world.publishSteadily();
    await clock.pass(START_MS);
    for (const step of steps) {
      await clock.pass(step.wait);
      world.take(step);
    }
    await clock.pass(CALM_MS);
    stopPublishing();
    await clock.pass(SETTLE_MS);
    const violations = world.check();
    world.close();
    const entries = world.viewers.flatMap(({ journals }) => journals.flatMap((one) => one.entries));
    const received = entries.filter(({ kind }) => kind === "message").length;
    const refetches = entries.filter(({ kind }) => kind === "refetch").length;
    return { violations, received, refetches, stored: world.stored.length, startedAt };
  } finally {
    restore();
  }
}
