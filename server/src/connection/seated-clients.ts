/** The connections of this process by their seats. Frees each seat as soon as its client loses the seat. */

import { CLOSE } from "@odin-ws/protocol";
import type { Seats } from "../entrance/admission.ts";
import { ANSWER_MS, type SeatHolder } from "../entrance/seat-registry.ts";

/** A client on a seat: the part that this file uses. */
export interface SeatedClient {
  /** Resolves with whether the client gives a sign of life within this time. */
  probe(waitMs: number): Promise<boolean>;
  close(code: number, reason: string): void;
  terminate(reason: string): void;
}

/** A client that has got its seat is connected after this time, or has left. */
const HANDSHAKE_MS = 10_000;

export class SeatedClients implements SeatHolder {
  readonly #seats: Seats;
  readonly #connections = new Map<number, SeatedClient>();
  /** Seats that were lost before their clients were connected. */
  readonly #replaced = new Set<number>();

  constructor(seats: Seats) {
    this.#seats = seats;
  }

  add(seat: number, connection: SeatedClient): void {
    this.#connections.set(seat, connection);
    // Later, so that the client gets its welcome first.
    if (this.#replaced.delete(seat)) setImmediate(() => this.replaceClient(seat));
  }

  /** The connection has ended. */
  remove(seat: number): void {
    this.#connections.delete(seat);
    this.#seats.free(seat);
  }

  async checkClients(seats: readonly number[]): Promise<void> {
    await Promise.all(seats.map((seat) => this.#check(seat)));
  }

  async #check(seat: number): Promise<void> {
    const connection = this.#connections.get(seat);
    // A client without a connection is still in the handshake, so its line works.
    if (connection === undefined || (await connection.probe(ANSWER_MS))) return;
    this.#seats.free(seat);
    // A close frame would not arrive. If the line only was slow, the client sees a broken connection, and
    // connects again.
    connection.terminate("no answer to a ping when its user connected again");
  }

  replaceClient(seat: number): void {
    const connection = this.#connections.get(seat);
    if (connection !== undefined)
      return connection.close(CLOSE.replaced, "another connection of this user took the seat");
    this.#replaced.add(seat);
    setTimeout(() => this.#replaced.delete(seat), HANDSHAKE_MS).unref();
  }
}
