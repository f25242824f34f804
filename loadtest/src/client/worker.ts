/** A process that holds a share of the connections. */

import { setTimeout as sleep } from "node:timers/promises";
import type { Answers, Assignment, Command, Finished, Report } from "../control.ts";
import { followClock, wallMicros } from "../traffic/clock.ts";
import { channelsOf, matcher } from "../traffic/plan.ts";
import type { Lookup } from "./account.ts";
import { balanceOf } from "./balance.ts";
import { Book } from "./book.ts";
import type { Crowd } from "./crowd.ts";
import { Subscriber } from "./subscriber.ts";
import { Tally } from "./tally.ts";
import { tokenFor } from "./token.ts";

const SAMPLE_MS = 1000;
const OPEN_TICK = 10; // ms
const BEAT_TICK = 100; // ms
/** Every client tells that it is there so often, as the client library does; so its place in the stream is never older. */
const BEAT_EVERY = 10_000; // 10 s
const REST_TICK = 50; // ms
const REST_AGAIN = 1000; // ms until a client that is not at rest is asked again
/** Audits that a message which comes twice is still known for: about 2 min. */
const REMEMBERED = 120;

/** Clients with the same channels: the same messages are due to them. */
interface Group {
  matches: (channel: string) => boolean;
  members: Subscriber[];
  /** Offsets of the last audits, the oldest first. */
  audits: Set<number>[];
}

export class Worker {
  readonly #assignment: Assignment;
  readonly #subscribers: Subscriber[] = [];
  readonly #groups = new Map<string, Group>();
  readonly #book: Book;
  readonly #tally = new Tally();
  readonly #report: (report: Report) => void;
  readonly #sampler: NodeJS.Timeout;
  readonly #beater: NodeJS.Timeout;
  /** Heartbeats of parts of the clients so far. */
  #beats = 0;
  /** Of slow clients that stop or go on reading. */
  #turns: NodeJS.Timeout[] = [];
  #opener: NodeJS.Timeout | undefined;
  #epoch: string | undefined;
  #nextSample = performance.now() + SAMPLE_MS;

  constructor(assignment: Assignment, report: (report: Report) => void) {
    this.#assignment = assignment;
    this.#report = report;
    this.#book = new Book(assignment.plan.kind);
    const { plan, worker, workers } = assignment;
    for (let index = worker; index < plan.connections; index += workers) this.#add(index);
    this.#sampler = setInterval(() => {
      followClock();
      this.#tally.heldUp(Math.max(0, performance.now() - this.#nextSample));
      this.#nextSample = performance.now() + SAMPLE_MS;
      this.#sample();
    }, SAMPLE_MS);
    this.#beater = setInterval(() => this.#beat(), BEAT_TICK);
  }

  #add(index: number): void {
    const {
      plan,
      urls,
      sources,
      compression,
      jwtSecret,
      atOnce,
      breaksWanted,
      slow: slowOnes,
    } = this.#assignment;
    const slow = index < slowOnes;
    const channels = channelsOf(plan, index, slow);
    const key = channels.join();
    const group = this.#groups.get(key) ?? { matches: matcher(channels), members: [], audits: [] };
    this.#groups.set(key, group);
    const url = new URL(urls[index % urls.length] as string);
    if (jwtSecret !== undefined) url.searchParams.set("auth", tokenFor(jwtSecret, index));
    const lookup: Lookup = {
      channelOf: (offset) => this.#book.channelOf(offset),
      audited: (offset) => group.audits.some((offsets) => offsets.has(offset)),
    };
    const localAddress = sources[Math.floor((index / plan.connections) * sources.length)];
    const crowd: Crowd = {
      book: this.#book,
      tally: this.#tally,
      atOnce,
      breaksWanted,
      accepts: (epoch) => this.#accepts(epoch),
    };
    const path = `${url.pathname}${url.search}`;
    const subscriber = new Subscriber(
      { url, path, localAddress, compression, channels, lookup, slow },
      crowd,
    );
    group.members.push(subscriber);
    this.#subscribers.push(subscriber);
  }

  #accepts(epoch: string): boolean {
    if (this.#epoch === epoch) return true;
    const first = this.#epoch === undefined;
    this.#epoch = epoch;
    this.#book.clear();
    return first;
  }

  #sample(): null {
    const count = (state: Subscriber["state"]) =>
      this.#subscribers.filter((one) => one.state === state).length;
    const sample = this.#tally.take({
      open: count("ready"),
      waiting: count("away"),
      entries: this.#book.takeNews(wallMicros() / 1000),
      epoch: this.#epoch,
    });
    this.#report({ kind: "sample", sample });
    return null;
  }

  /** One part of the clients after the other, so that their answers do not wait for each other. */
  #beat(): void {
    const turns = BEAT_EVERY / BEAT_TICK;
    for (let index = this.#beats++ % turns; index < this.#subscribers.length; index += turns) {
      const one = this.#subscribers[index];
      if (one !== undefined && !one.options.slow) one.probe();
    }
  }

  #connect(perSecond: number): null {
    const begin = wallMicros();
    let next = 0;
    this.#opener = setInterval(() => {
      const due = ((wallMicros() - begin) / 1e6) * perSecond;
      for (; next < due; next++) {
        const one = this.#subscribers[next];
        if (one === undefined) return clearInterval(this.#opener);
        // Its own moment of the schedule, not the one at which this process came to it.
        one.connect(begin + (next / perSecond) * 1e6);
      }
    }, OPEN_TICK);
    return null;
  }

  #audit({ entries, cutoff }: Extract<Command, { kind: "audit" }>): null {
    for (const group of this.#groups.values()) {
      const expected = entries.filter(({ channel }) => group.matches(channel)).map(({ offset }) => offset);
      expected.sort((a, b) => a - b);
      group.audits.push(new Set(expected));
      if (group.audits.length > REMEMBERED) group.audits.shift();
      for (const { account } of group.members) account.audit(expected, cutoff);
    }
    return null;
  }

  /** Opens no more. Who waits for a first place gives up; who has lost one still comes back. */
  #halt(): null {
    clearInterval(this.#opener);
    for (const one of this.#subscribers) if (!one.account.begun && one.state !== "ready") one.stop();
    return null;
  }

  async #finish({ upTo, timeoutMs }: Extract<Command, { kind: "finish" }>): Promise<Finished> {
    // From now on every heartbeat is one that was sent for this.
    clearInterval(this.#beater);
    const deadline = performance.now() + timeoutMs;
    const told = new Set<Subscriber>();
    const ready = () => this.#subscribers.filter(({ state }) => state === "ready");
    let again = 0;
    for (;;) {
      for (const one of ready()) {
        if (told.has(one)) continue;
        told.add(one);
        one.rest(upTo);
      }
      const unsettled = ready().filter(({ settled }) => !settled);
      if (unsettled.length === 0 || performance.now() > deadline) break;
      if (performance.now() > again) {
        again = performance.now() + REST_AGAIN;
        for (const one of unsettled) one.probe();
      }
      await sleep(REST_TICK);
    }
    for (const one of this.#subscribers) one.countWait();
    const settled = ready().filter((one) => one.settled);
    const open = ready().length;
    return {
      position: Math.min(Number.POSITIVE_INFINITY, ...settled.map(({ restedAt }) => restedAt as number)),
      unsettled: open - settled.length,
      open,
    };
  }

  #unsubscribe(): null {
    for (const one of this.#subscribers) one.unsubscribe();
    return null;
  }

  #cut(): null {
    for (const one of this.#subscribers) one.cut();
    return null;
  }

  #read({ slowClientsRead, overMs }: Extract<Command, { kind: "read" }>): null {
    const slow = this.#subscribers.filter(({ options }) => options.slow);
    for (const turn of this.#turns) clearTimeout(turn);
    this.#turns = slow.map((one, index) =>
      setTimeout(
        () => {
          one.reading = slowClientsRead;
        },
        (overMs * index) / slow.length,
      ),
    );
    return null;
  }

  async #close(timeoutMs: number): Promise<null> {
    clearInterval(this.#opener);
    clearInterval(this.#sampler);
    clearInterval(this.#beater);
    for (const turn of this.#turns) clearTimeout(turn);
    for (const one of this.#subscribers) one.stop();
    // The gateway's end of the closing handshake; what is left is cut.
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && this.#subscribers.some(({ linked }) => linked))
      await sleep(REST_TICK);
    for (const one of this.#subscribers) one.drop();
    return null;
  }

  obey(
    command: Exclude<Command, { kind: "assign" }>,
  ): Answers[Command["kind"]] | Promise<Answers[Command["kind"]]> {
    switch (command.kind) {
      case "connect":
        return this.#connect(command.perSecond);
      case "audit":
        return this.#audit(command);
      case "halt":
        return this.#halt();
      case "cut":
        return this.#cut();
      case "read":
        return this.#read(command);
      case "finish":
        return this.#finish(command);
      case "sample":
        return this.#sample();
      case "balance":
        return balanceOf(this.#subscribers, (offset) => this.#book.channelOf(offset));
      case "unsubscribe":
        return this.#unsubscribe();
      case "close":
        return this.#close(command.timeoutMs);
    }
  }
}

/** Runs this process as a worker of the one that forked it. */
export function runWorker(): void {
  const report = (message: Report) => void process.send?.(message);
  let worker: Worker | undefined;
  process.on("message", async (command: Command) => {
    if (command.kind === "assign") worker = new Worker(command.assignment, report);
    const result = command.kind === "assign" ? null : ((await worker?.obey(command)) ?? null);
    report({ kind: "answer", to: command.kind, result });
  });
  // Ctrl-C reaches the whole group; the first process decides.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit());
}
