/**
 * A client that reconnects: it resumes with `since` on any gateway and records what it received on all
 * connections.
 */

import type { Envelope, Position } from "@odin-ws/protocol";
import { connect, type TestClient } from "./client.ts";
import type { Gateway } from "./gateway.ts";
import type { Owner } from "./owner.ts";
import { eventually } from "./wait.ts";

export class Reader {
  readonly #owner: Owner;
  readonly #channels: string[];
  /** Envelopes of the connections that are closed. */
  readonly #earlier: Envelope[] = [];
  #position: Position | undefined;
  client: TestClient | undefined;
  /** How many times the reader has resumed. */
  resumes = 0;

  constructor(owner: Owner, channels: string[]) {
    this.#owner = owner;
    this.#channels = channels;
  }

  get envelopes(): Envelope[] {
    return [...this.#earlier, ...(this.client?.envelopes ?? [])];
  }

  /**
   * Connects and subscribes. From the second call on, the reader resumes from its last position.
   *
   * @throws Error when the gateway cannot send the missed messages
   */
  async attach(gateway: Gateway): Promise<void> {
    this.#keepReceived();
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
    this.#keepReceived();
  }

  /** Attaches again after every close, with as many attempts as necessary. Returns when `signal` aborts. */
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

  // Keeps the envelopes of the closed connection, and the position from which to resume.
  #keepReceived(): void {
    const got = this.client?.envelopes ?? [];
    this.client = undefined;
    this.#earlier.push(...got);
    const last = got.at(-1);
    if (last !== undefined && this.#position !== undefined) {
      this.#position = { epoch: this.#position.epoch, offset: last.offset };
    }
  }
}
