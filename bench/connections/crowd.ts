/** All viewers, in several load processes. */

import type { ChildProcess } from "node:child_process";
import { cpuMicros, rssBytes, runModule, stop } from "../process.ts";
import type { Answer, Answers, Command, Counts, Latencies } from "./load-messages.ts";

/** Attempts that may be open at once, in all load processes together. */
const IN_FLIGHT = 400;

/**
 * Connections from one address. A search for a free port first looks at a quarter of the ports, and takes
 * much longer when they are in use: with the ports of Linux, from 7,058 connections on.
 */
const FROM_ONE_ADDRESS = 4000;

/** Addresses of the load process with this number, for this many connections. */
export function addressesOf(index: number, connections: number): string[] {
  const count = Math.max(1, Math.ceil(connections / FROM_ONE_ADDRESS));
  return Array.from({ length: count }, (_, n) => `127.1.${index + 1}.${n + 1}`);
}

class LoadProcess {
  readonly child: ChildProcess = runModule(new URL("./load.ts", import.meta.url));
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  constructor() {
    this.child.on("message", (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ("error" in answer) waiting?.reject(new Error(answer.error));
      else waiting?.resolve(answer.result);
    });
    this.child.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("a load process has ended"));
    });
  }

  ask<K extends Command["kind"]>(command: Extract<Command, { kind: K }>): Promise<Answers[K]> {
    const id = ++this.#last;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.child.send({ id, command });
    return waiting.promise as Promise<Answers[K]>;
  }
}

export interface CrowdOptions {
  loads: number;
  port: number;
  viewers: number;
  audience: number;
}

export class Crowd {
  readonly #loads: LoadProcess[];
  readonly #viewers: number;
  readonly #audience: number;
  /** Viewers that were asked to connect. */
  wanted = 0;

  private constructor(loads: LoadProcess[], viewers: number, audience: number) {
    this.#loads = loads;
    this.#viewers = viewers;
    this.#audience = audience;
  }

  static async start({ loads, port, viewers, audience }: CrowdOptions): Promise<Crowd> {
    const processes = Array.from({ length: loads }, () => new LoadProcess());
    const crowd = new Crowd(processes, viewers, audience);
    await crowd.#target(port);
    return crowd;
  }

  async #target(port: number): Promise<void> {
    const [viewers, audience] = [this.#viewers, this.#audience];
    await Promise.all(
      this.#loads.map((load, index) => {
        const localAddresses = addressesOf(index, Math.ceil(viewers / this.#loads.length));
        return load.ask({ kind: "target", target: { port, localAddresses, viewers, audience } });
      }),
    );
  }

  /** From now on, all attempts go to this port. */
  async moveTo(port: number): Promise<void> {
    await this.#target(port);
  }

  /**
   * Adds viewers until there are this many. They connect in the background.
   *
   * @param rate attempts a second; 0: as fast as possible
   */
  async grow(viewers: number, rate = 0): Promise<void> {
    let first = this.wanted;
    const more = viewers - first;
    const { length } = this.#loads;
    await Promise.all(
      this.#loads.map((load, index) => {
        const count = Math.floor((more * (index + 1)) / length) - Math.floor((more * index) / length);
        const opening = { first, count, rate: rate / length, inFlight: Math.ceil(IN_FLIGHT / length) };
        first += count;
        return load.ask({ kind: "open", opening });
      }),
    );
    this.wanted = viewers;
  }

  /** All counts but `subscribed` and `connecting` begin again. */
  async begin(): Promise<void> {
    await Promise.all(this.#loads.map((load) => load.ask({ kind: "begin" })));
  }

  async counts(): Promise<Counts> {
    return sumOf(await Promise.all(this.#loads.map((load) => load.ask({ kind: "counts" }))));
  }

  async latencies(): Promise<Latencies> {
    const all = await Promise.all(this.#loads.map((load) => load.ask({ kind: "latencies" })));
    return {
      deliveries: all.flatMap(({ deliveries }) => deliveries),
      waits: all.flatMap(({ waits }) => waits),
    };
  }

  get cpuMicros(): number {
    return cpuMicros(this.#pids);
  }
  get rssBytes(): number {
    return rssBytes(this.#pids);
  }
  get #pids(): number[] {
    return this.#loads.map(({ child }) => child.pid ?? 0);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#loads.map(({ child }) => stop(child)));
  }
}

/** Adds the counts of several load processes. */
export function sumOf(all: readonly Counts[]): Counts {
  const sum: Counts = {
    subscribed: 0,
    connecting: 0,
    attempts: 0,
    ended: 0,
    failures: {},
    deliveries: 0,
    disorder: 0,
    pings: 0,
  };
  for (const { failures, ...numbers } of all) {
    for (const [key, value] of Object.entries(numbers) as [Exclude<keyof Counts, "failures">, number][])
      sum[key] += value;
    for (const [reason, count] of Object.entries(failures))
      sum.failures[reason] = (sum.failures[reason] ?? 0) + count;
  }
  return sum;
}
