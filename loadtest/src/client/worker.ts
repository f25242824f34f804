/** Holds a share of the connections, in a process of its own. */

import { setTimeout as sleep } from "node:timers/promises";
import { followClock, wallMicros } from "../traffic/clock.ts";
import { channelsOf, matcher } from "../traffic/plan.ts";
import type { Answers, Assignment, Command, Finished, WorkerMessage } from "../worker-messages.ts";
import { CompactCache } from "./compact-reader.ts";
import { summarizeDeliveries } from "./delivery-summary.ts";
import type { OffsetLookup } from "./delivery-tracker.ts";
import { MessageIndex } from "./message-index.ts";
import { Subscriber } from "./subscriber.ts";
import type { SubscriberContext } from "./subscriber-context.ts";
import { tokenFor } from "./token.ts";
import { WorkerStats } from "./worker-stats.ts";

const SAMPLE_MS = 1000;
const CONNECT_TICK_MS = 10;
const HEARTBEAT_TICK_MS = 100;
/** Every client sends a heartbeat this often, like the client library; so its offset is at most this old. */
const HEARTBEAT_MS = 10_000; // 10 s
const FINISH_TICK_MS = 50;
const FINISH_HEARTBEAT_MS = 1000; // between two heartbeats of a client that is not settled
/** How many audits stay known, to recognize duplicates: about 2 min. */
const AUDITS_KEPT = 120;

/** Clients with the same channels. The same messages are due to all of them. */
interface Group {
  matches: (channel: string) => boolean;
  members: Subscriber[];
  /** Offsets of the last audits, the oldest first. */
  audits: Set<number>[];
  /** The highest offset of each channel in all audits. */
  newest: Map<string, number>;
}

/** All commands except the one that creates the worker. */
export type WorkerCommand = Exclude<Command, { kind: "assign" }>;

export class Worker {
  readonly #assignment: Assignment;
  readonly #subscribers: Subscriber[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #context: SubscriberContext;
  readonly #compact = new CompactCache();
  readonly #send: (message: WorkerMessage) => void;
  readonly #sampleTimer: NodeJS.Timeout;
  readonly #heartbeatTimer: NodeJS.Timeout;
  #heartbeatTicks = 0;
  /** One timer for each slow client that will stop or resume reading. */
  #readingTimers: NodeJS.Timeout[] = [];
  #connectTimer: NodeJS.Timeout | undefined;
  #epoch: string | undefined;
  #nextSampleAt = performance.now() + SAMPLE_MS;

  constructor(assignment: Assignment, send: (message: WorkerMessage) => void) {
    const { plan, worker, workers, atOnce, breaksWanted } = assignment;
    this.#assignment = assignment;
    this.#send = send;
    this.#context = {
      messageIndex: new MessageIndex(plan.kind),
      stats: new WorkerStats(),
      atOnce,
      breaksWanted,
      accepts: (epoch) => this.#accepts(epoch),
    };
    for (let index = worker; index < plan.connections; index += workers) this.#add(index);
    this.#sampleTimer = setInterval(() => {
      followClock();
      this.#context.stats.delay(Math.max(0, performance.now() - this.#nextSampleAt));
      this.#nextSampleAt = performance.now() + SAMPLE_MS;
      this.#sample();
    }, SAMPLE_MS);
    this.#heartbeatTimer = setInterval(() => this.#sendHeartbeats(), HEARTBEAT_TICK_MS);
  }

  #add(index: number): void {
    const { plan, urls, sources, compression, compact, tokens, last, maxRate, conflate } = this.#assignment;
    const slow = index < this.#assignment.slow;
    const channels = channelsOf(plan, index, slow);
    const key = channels.join();
    const group: Group = this.#groups.get(key) ?? {
      matches: matcher(channels),
      members: [],
      audits: [],
      newest: new Map(),
    };
    this.#groups.set(key, group);
    const url = new URL(urls[index % urls.length] as string);
    if (tokens !== undefined) url.searchParams.set("auth", tokenFor(tokens, index));
    if (compact) url.searchParams.set("encoding", "compact");
    const lookup: OffsetLookup = {
      channelOf: (offset) => this.#context.messageIndex.channelOf(offset),
      audited: (offset) => group.audits.some((offsets) => offsets.has(offset)),
      newestAudited: () => group.newest,
    };
    const localAddress = sources[Math.floor((index / plan.connections) * sources.length)];
    const path = `${url.pathname}${url.search}`;
    const subscriber = new Subscriber(
      {
        url,
        path,
        localAddress,
        compression,
        compact: compact ? this.#compact : undefined,
        channels,
        lookup,
        slow,
        last,
        maxRate,
        newestWins: conflate || maxRate !== undefined,
      },
      this.#context,
    );
    group.members.push(subscriber);
    this.#subscribers.push(subscriber);
  }

  #accepts(epoch: string): boolean {
    if (this.#epoch === epoch) return true;
    const first = this.#epoch === undefined;
    this.#epoch = epoch;
    this.#context.messageIndex.clear();
    for (const group of this.#groups.values()) group.newest.clear();
    return first;
  }

  #sample(): null {
    const count = (state: Subscriber["state"]) =>
      this.#subscribers.filter((subscriber) => subscriber.state === state).length;
    const sample = this.#context.stats.take({
      open: count("ready"),
      waiting: count("away"),
      messages: this.#context.messageIndex.takeNew(wallMicros() / 1000),
      epoch: this.#epoch,
    });
    this.#send({ kind: "sample", sample });
    return null;
  }

  /** Sends the heartbeats of a part of the clients. All at once would delay each other's answers. */
  #sendHeartbeats(): void {
    const parts = HEARTBEAT_MS / HEARTBEAT_TICK_MS;
    const part = this.#heartbeatTicks++ % parts;
    for (let index = part; index < this.#subscribers.length; index += parts) {
      const subscriber = this.#subscribers[index];
      if (subscriber !== undefined && !subscriber.options.slow) subscriber.sendHeartbeat();
    }
  }

  #connect(perSecond: number): null {
    const begin = wallMicros();
    let next = 0;
    this.#connectTimer = setInterval(() => {
      const due = ((wallMicros() - begin) / 1e6) * perSecond;
      for (; next < due; next++) {
        const subscriber = this.#subscribers[next];
        if (subscriber === undefined) return clearInterval(this.#connectTimer);
        // The time on the schedule, not the time of this tick: a delay of this process counts as well.
        subscriber.connect(begin + (next / perSecond) * 1e6);
      }
    }, CONNECT_TICK_MS);
    return null;
  }

  #audit({ messages, cutoff }: Extract<Command, { kind: "audit" }>): null {
    const channels = new Map(messages.map(({ offset, channel }) => [offset, channel]));
    for (const group of this.#groups.values()) {
      const own = messages
        .filter(({ channel }) => group.matches(channel))
        .sort((a, b) => a.offset - b.offset);
      const expected = own.map(({ offset }) => offset);
      for (const { channel, offset } of own) group.newest.set(channel, offset);
      group.audits.push(new Set(expected));
      if (group.audits.length > AUDITS_KEPT) group.audits.shift();
      for (const { tracker } of group.members)
        tracker.audit(expected, cutoff, (offset) => channels.get(offset));
    }
    return null;
  }

  /** Clients that were never subscribed stop trying; a client that lost its connection still reconnects. */
  #stopConnecting(): null {
    clearInterval(this.#connectTimer);
    for (const subscriber of this.#subscribers)
      if (!subscriber.tracker.started && subscriber.state !== "ready") subscriber.stop();
    return null;
  }

  async #finish({ upTo, timeoutMs }: Extract<Command, { kind: "finish" }>): Promise<Finished> {
    // Regular heartbeats stop, so that every answer from now on belongs to a heartbeat that was sent below.
    clearInterval(this.#heartbeatTimer);
    const deadline = performance.now() + timeoutMs;
    const settling = new Set<Subscriber>();
    const ready = () => this.#subscribers.filter(({ state }) => state === "ready");
    let nextHeartbeatAt = 0;
    for (;;) {
      for (const subscriber of ready()) {
        if (settling.has(subscriber)) continue;
        settling.add(subscriber);
        subscriber.settle(upTo);
      }
      const unsettled = ready().filter(({ settled }) => !settled);
      if (unsettled.length === 0 || performance.now() > deadline) break;
      if (performance.now() > nextHeartbeatAt) {
        nextHeartbeatAt = performance.now() + FINISH_HEARTBEAT_MS;
        for (const subscriber of unsettled) subscriber.sendHeartbeat();
      }
      await sleep(FINISH_TICK_MS);
    }
    for (const subscriber of this.#subscribers) subscriber.recordWait();
    const settled = ready().filter((subscriber) => subscriber.settled);
    const open = ready().length;
    const offsets = settled.map(({ settledOffset }) => settledOffset as number);
    return {
      offset: Math.min(Number.POSITIVE_INFINITY, ...offsets),
      unsettled: open - settled.length,
      open,
    };
  }

  #unsubscribe(): null {
    for (const subscriber of this.#subscribers) subscriber.unsubscribe();
    return null;
  }

  #disconnect(): null {
    for (const subscriber of this.#subscribers) subscriber.disconnect();
    return null;
  }

  #setSlowReading({ reading, overMs }: Extract<Command, { kind: "setSlowReading" }>): null {
    const slow = this.#subscribers.filter(({ options }) => options.slow);
    for (const timer of this.#readingTimers) clearTimeout(timer);
    this.#readingTimers = slow.map((subscriber, index) =>
      setTimeout(
        () => {
          subscriber.reading = reading;
        },
        (overMs * index) / slow.length,
      ),
    );
    return null;
  }

  async #close(timeoutMs: number): Promise<null> {
    clearInterval(this.#connectTimer);
    clearInterval(this.#sampleTimer);
    clearInterval(this.#heartbeatTimer);
    for (const timer of this.#readingTimers) clearTimeout(timer);
    for (const subscriber of this.#subscribers) subscriber.stop();
    // Gives the gateway time to answer the closing handshakes, then breaks the connections that are left.
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && this.#subscribers.some(({ connected }) => connected))
      await sleep(FINISH_TICK_MS);
    for (const subscriber of this.#subscribers) subscriber.abort();
    return null;
  }

  execute(command: WorkerCommand): Answers[Command["kind"]] | Promise<Answers[Command["kind"]]> {
    switch (command.kind) {
      case "connect":
        return this.#connect(command.perSecond);
      case "audit":
        return this.#audit(command);
      case "stopConnecting":
        return this.#stopConnecting();
      case "disconnect":
        return this.#disconnect();
      case "setSlowReading":
        return this.#setSlowReading(command);
      case "finish":
        return this.#finish(command);
      case "sample":
        return this.#sample();
      case "summarize":
        return summarizeDeliveries(this.#subscribers, (offset) =>
          this.#context.messageIndex.channelOf(offset),
        );
      case "unsubscribe":
        return this.#unsubscribe();
      case "close":
        return this.#close(command.timeoutMs);
    }
  }
}
