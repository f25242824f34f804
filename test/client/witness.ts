/** A client under test, with records of all of its messages and events. */

import { strict as assert } from "node:assert";
import {
  type Client,
  type ClientError,
  type ConnectOptions,
  connect,
  type Envelope,
  type Refetch,
  type Status,
} from "@odin-ws/client";
import { covers } from "@odin-ws/protocol";
import type { Published } from "../harness/feed.ts";
import type { Owner } from "../harness/owner.ts";
import { eventually } from "../harness/wait.ts";

interface Book {
  channels: readonly string[];
  got: Envelope[];
  late: Envelope[];
  /** Removes the listener. */
  leave: () => void;
}

export class Witness {
  readonly client: Client;
  readonly refetches: Refetch[] = [];
  readonly errors: ClientError[] = [];
  readonly states: Status[] = [];
  readonly #live = new Set<string>();

  constructor(url: string, options: ConnectOptions = {}) {
    // The shortest wait of each window: 0.5 s.
    this.client = connect(url, { ...options, environment: { random: () => 0, ...options.environment } });
    this.client.on("refetch", (refetch) => this.refetches.push(refetch));
    this.client.on("error", (error) => this.errors.push(error));
    this.client.on("status", (status) => this.states.push(status));
    this.client.on("subscribed", ({ channels }) => {
      for (const channel of channels) this.#live.add(channel);
    });
  }

  /** Adds a listener and waits until its channels are live. */
  async listen(...channels: string[]): Promise<Book> {
    const book: Book = { channels, got: [], late: [], leave: () => {} };
    book.leave = this.client.subscribe(channels, (message, { late }) => {
      (late ? book.late : book.got).push(message);
    });
    await eventually(
      () => `${channels} live: ${JSON.stringify([this.client.status, this.errors])}`,
      () => channels.every((channel) => this.#live.has(channel)),
    );
    return book;
  }

  until(state: Status["state"], deadline?: number): Promise<unknown> {
    return eventually(
      () => `state ${state}: ${JSON.stringify(this.states)}`,
      () => this.client.status.state === state,
      deadline,
    );
  }
}

export function startWitness(owner: Owner, url: string, options?: ConnectOptions): Witness {
  const witness = new Witness(url, options);
  owner.after(() => witness.client.close());
  return witness;
}

/**
 * Waits for the last published message, then asserts that the listener got each message once and in order,
 * and none late.
 */
export async function assertExact(
  book: Book,
  published: readonly Published[],
  deadline?: number,
): Promise<void> {
  const wanted = published
    .filter(({ channel }) => book.channels.some((pattern) => covers(pattern, channel)))
    .map(({ offset }) => offset);
  assert.ok(wanted.length > 0, "nothing was published");
  await eventually(
    () => `${book.channels}: message ${wanted.at(-1)}, have up to ${book.got.at(-1)?.offset}`,
    () => (book.got.at(-1)?.offset ?? 0) >= (wanted.at(-1) ?? 0),
    deadline,
  );
  assert.deepEqual(
    book.got.map(({ offset }) => offset),
    wanted,
    `${book.channels}: the received offsets differ from the published ones`,
  );
  assert.deepEqual(book.late, []);
}
