/** The load processes of one run. */

import type { ChildProcess } from "node:child_process";
import { runModule, stop } from "../process.ts";
import type { Answer, ClientName, CommandName, Commands, Counts } from "./load-messages.ts";

/** Clients of one process: many machines limit a process to 20,000 open files. */
const MAX_CLIENTS = 5_000;
const IN_FLIGHT = 50;
/** Clients share the cores with the servers. With more memory, garbage collection takes less of them. */
const LOAD_FLAGS = ["--max-semi-space-size=64"];

export interface LoadersOptions {
  client: ClientName;
  clients: number;
  channels: number;
  nats: string;
  /** Clients of odin-ws may receive over HTTP. */
  fallback: boolean;
}

class Loader {
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  constructor() {
    this.process = runModule(new URL("./load.ts", import.meta.url), [], [], LOAD_FLAGS);
    this.process.on("message", ({ id, answer }: { id: number; answer: Answer }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if ("error" in answer) waiting?.reject(new Error(answer.error));
      else waiting?.resolve(answer.result);
    });
    this.process.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("a load process has ended"));
    });
  }

  ask<Name extends CommandName>(kind: Name, ask: Commands[Name]["ask"]): Promise<Commands[Name]["answer"]> {
    const id = ++this.#last;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.process.send({ id, command: { kind, ask } });
    return waiting.promise as Promise<Commands[Name]["answer"]>;
  }
}

export class Loaders {
  readonly #loaders: Loader[];
  readonly #options: LoadersOptions;

  constructor(options: LoadersOptions) {
    this.#options = options;
    const count = Math.ceil(options.clients / MAX_CLIENTS);
    this.#loaders = Array.from({ length: count }, () => new Loader());
  }

  /** Connects all clients. @throws Error when some could not connect within this time */
  async open(timeoutMs: number): Promise<void> {
    const { clients, ...options } = this.#options;
    const share = Math.ceil(clients / this.#loaders.length);
    const answers = await Promise.all(
      this.#loaders.map((loader, index) => {
        const first = index * share;
        const count = Math.min(share, clients - first);
        return loader.ask("open", { ...options, first, count, inFlight: IN_FLIGHT, timeoutMs });
      }),
    );
    const open = answers.reduce((sum, answer) => sum + answer.open, 0);
    if (open < clients) throw new Error(`only ${open} of ${clients} clients connected`);
  }

  all<Name extends CommandName>(kind: Name, ask: Commands[Name]["ask"]): Promise<Commands[Name]["answer"][]> {
    return Promise.all(this.#loaders.map((loader) => loader.ask(kind, ask)));
  }

  /** What all clients received together. */
  async finish(published: readonly number[]): Promise<Counts> {
    const [first, ...others] = await this.all("finish", { published });
    if (first === undefined) throw new Error("there is no load process");
    for (const other of others) {
      const { outagesMs, backPerSecond, ...numbers } = other;
      first.outagesMs = first.outagesMs.concat(outagesMs);
      for (const [second, back] of Object.entries(backPerSecond))
        first.backPerSecond[Number(second)] = (first.backPerSecond[Number(second)] ?? 0) + back;
      for (const [key, value] of Object.entries(numbers) as [keyof typeof numbers, number][])
        first[key] += value;
    }
    return first;
  }

  get pids(): number[] {
    return this.#loaders.map(({ process }) => process.pid as number);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#loaders.map(({ process }) => stop(process)));
  }
}
