/** The load processes of one run. */

import type { ChildProcess } from "node:child_process";
import { runModule, stop } from "../process.ts";
import type { Answer, ClientName, CommandName, Commands, Counts } from "./load-messages.ts";

/** Clients of one process: many machines limit a process to 20,000 open files. */
const MAX_CLIENTS = 5_000;
const IN_FLIGHT = 50;

export interface LoadersOptions {
  client: ClientName;
  clients: number;
  channels: number;
  nats: string;
}

class Loader {
  readonly process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #last = 0;

  constructor() {
    this.process = runModule(new URL("./load.ts", import.meta.url));
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
    const { client, clients, channels, nats } = this.#options;
    const share = Math.ceil(clients / this.#loaders.length);
    const answers = await Promise.all(
      this.#loaders.map((loader, index) => {
        const first = index * share;
        const count = Math.min(share, clients - first);
        return loader.ask("open", { client, first, count, channels, nats, inFlight: IN_FLIGHT, timeoutMs });
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
      for (const [key, value] of Object.entries(other) as [keyof Counts, number | number[]][]) {
        if (key === "outagesMs") first.outagesMs = first.outagesMs.concat(value as number[]);
        else first[key] += value as number;
      }
    }
    return first;
  }

  async dispose(): Promise<void> {
    await Promise.all(this.#loaders.map(({ process }) => stop(process)));
  }
}
