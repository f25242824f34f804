/** A TCP proxy between a client and a gateway that misbehaves when it is told to. */

import { createServer, connect as dial, type Server, type Socket } from "node:net";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

interface Pair {
  client: Socket;
  gateway: Socket;
}

export class FaultProxy {
  readonly port: number;
  /** Port that new connections are passed on to. */
  target: number;
  /** New connections are cut at once. */
  refusing = false;
  /** Connections that were accepted so far. */
  accepted = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Lines that carry nothing any more. */
  readonly #stalled: Socket[] = [];

  constructor(port: number, target: number) {
    this.port = port;
    this.target = target;
    this.#server = createServer((client) => this.#accept(client));
    this.#server.listen(port, "127.0.0.1");
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Ends every connection with a reset, in both directions. */
  cut(): void {
    for (const { client, gateway } of this.#pairs) {
      client.resetAndDestroy();
      gateway.destroy();
    }
  }

  /** Passes on only so many bytes more to the clients, then cuts: in the middle of a frame, unless by chance. */
  cutAfter(bytes: number): void {
    for (const pair of this.#pairs) {
      let left = bytes;
      pair.gateway.removeAllListeners("data");
      pair.gateway.on("data", (chunk: Buffer) => {
        const passed = chunk.subarray(0, left);
        left -= passed.length;
        pair.client.write(passed, () => {
          if (left === 0) pair.client.destroy();
        });
      });
    }
  }

  /** The lines stay and carry nothing any more, in neither direction; new connections are served. */
  stall(): void {
    for (const { client, gateway } of this.#pairs) {
      for (const socket of [client, gateway]) {
        socket.removeAllListeners("data");
        socket.pause();
        this.#stalled.push(socket);
      }
    }
    this.#pairs.clear();
  }

  /** Stops, or goes on, reading what the gateways send: the clients read too slowly. */
  throttle(paused: boolean): void {
    for (const { gateway } of this.#pairs) {
      if (paused) gateway.pause();
      else gateway.resume();
    }
  }

  close(): void {
    this.#server.close();
    this.cut();
    for (const socket of this.#stalled) socket.destroy();
  }

  #accept(client: Socket): void {
    this.accepted++;
    client.on("error", () => {});
    if (this.refusing) {
      client.destroy();
      return;
    }
    const gateway = dial(this.target, "127.0.0.1");
    const pair = { client, gateway };
    this.#pairs.add(pair);
    gateway.on("error", () => {});
    client.on("data", (chunk) => gateway.write(chunk));
    gateway.on("data", (chunk) => {
      if (client.write(chunk)) return;
      gateway.pause();
      client.once("drain", () => gateway.resume());
    });
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      gateway.destroy();
    };
    client.on("close", end);
    gateway.on("close", end);
  }
}

/** Starts a proxy to this port; closed with its owner, with everything that it ever passed on. */
export async function startProxy(owner: Owner, target: number): Promise<FaultProxy> {
  const proxy = new FaultProxy(await freePort(), target);
  owner.after(() => proxy.close());
  return proxy;
}
