/** A client that comes back: it resumes with `since` on whatever gateway it is sent to, and keeps book of what it got. */

import type { Envelope, Position } from "@odin-ws/protocol";
import { connect, type TestClient } from "./client.ts";
import type { Gateway } from "./gateway.ts";
import type { Owner } from "./owner.ts";
import { eventually } from "./wait.ts";

export class Reader {
  readonly #owner: Owner;
  readonly #channels: string[];
  /** Envelopes of the connections that are over. */
  readonly #earlier: Envelope[] = [];
  #position: Position | undefined;
  client: TestClient | undefined;
  /** How many times it had to come back. */
  resumes = 0;

  constructor(owner: Owner, channels: string[]) {
    this.#owner = owner;
    this.#channels = channels;
  }

  get envelopes(): Envelope[] {
    return [...this.#earlier, ...(this.client?.envelopes ?? [])];
  }

  /** Connects; every time but the first it asks for what it missed, and fails when the gateway cannot give it. */
  async attach(gateway: Gateway): Promise<void> {
    this.#bank();
    const client = await connect(this.#owner, gateway);
    const since = this.#position;
    this.#position = since ?? client.position;
    this.client = client;
    const ack = await client.subscribe(this.#channels, since);
    if (since === undefined) return;
    if (ack.recovered !== true) throw new Error(`not recovered: ${JSON.stringify({ since, ack })}`);
    this.resumes++;
  }

  /** Cuts the connection from the client's side. */
  async drop(): Promise<void> {
    await this.client?.drop();
    this.#bank();
  }

  /** Attaches again, trying until it succeeds, whenever the connection is gone; ends with `signal`. */
  async keepAttached(gateway: Gateway, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.client === undefined || this.client.closedWith !== undefined) {
        await eventually("connection", () => this.attach(gateway).then(() => true));
      }
      await Promise.race([
        this.client?.closed,
        new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true })),
      ]);
    }
  }

  // What the closed connection brought is kept, and where to go on from.
  #bank(): void {
    const got = this.client?.envelopes ?? [];
    this.client = undefined;
    this.#earlier.push(...got);
    const last = got.at(-1);
    if (last !== undefined && this.#position !== undefined) {
      this.#position = { epoch: this.#position.epoch, offset: last.offset };
    }
  }
}
