/** The line between two regions: a TCP proxy that delays bytes in both directions, and can be cut. */

import { connect, createServer, type Socket } from "node:net";
import type { Owner } from "../../harness/owner.ts";
import { freePort } from "../../harness/ports.ts";

/** Bytes that arrived at a time, or the end of the connection. */
interface Parcel {
  /** Time at which the parcel arrives at the other side, on the clock of performance.now(). */
  due: number;
  bytes: Buffer | undefined;
}

/** One direction of one connection. */
class Direction {
  readonly #to: Socket;
  readonly #parcels: Parcel[] = [];

  constructor(to: Socket) {
    this.#to = to;
  }

  add(parcel: Parcel): void {
    this.#parcels.push(parcel);
  }

  /** Passes on everything that is due. */
  flush(): void {
    for (let [first] = this.#parcels; first !== undefined; [first] = this.#parcels) {
      if (first.due > performance.now() + 0.5) return;
      this.#parcels.shift();
      if (first.bytes === undefined) this.#to.destroy();
      else this.#to.write(first.bytes);
    }
  }
}

export interface LinkOptions {
  /** Address at which the far region reaches the home region. Default 127.0.0.1. */
  listen?: string;
  /** Server of the home region. */
  target: { host: string; port: number };
  /** Delay of each direction, ms: half of the round trip. */
  delayMs: number;
}

export class Link {
  readonly host: string;
  readonly port: number;
  readonly #directions = new Set<Direction>();
  #isCut = false;

  private constructor(host: string, port: number) {
    this.host = host;
    this.port = port;
  }

  static async open(owner: Owner, { listen = "127.0.0.1", target, delayMs }: LinkOptions): Promise<Link> {
    const link = new Link(listen, await freePort());
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(target.port, target.host);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        sockets.add(from);
        const direction = new Direction(to);
        link.#directions.add(direction);
        const pass = (bytes: Buffer | undefined) => {
          direction.add({ due: performance.now() + delayMs, bytes });
          setTimeout(() => link.#flush(direction), delayMs);
        };
        from.setNoDelay(true);
        from.on("error", () => {});
        from.on("data", pass);
        from.once("close", () => {
          sockets.delete(from);
          pass(undefined);
        });
        to.once("close", () => link.#directions.delete(direction));
      }
    });
    await new Promise<void>((resolve) => server.listen(link.port, listen, resolve));
    owner.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return link;
  }

  /** From now on nothing arrives, also not the end of a connection: the bytes wait. */
  cut(): void {
    this.#isCut = true;
  }

  /** Everything that waited arrives now. */
  restore(): void {
    this.#isCut = false;
    for (const direction of this.#directions) direction.flush();
  }

  #flush(direction: Direction): void {
    if (!this.#isCut) direction.flush();
  }
}
