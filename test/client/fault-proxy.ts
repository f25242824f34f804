/** A TCP proxy between clients and a gateway. A test can cut, stall and slow down its connections. */

import { createServer, connect as dial, type Server, type Socket } from "node:net";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";

const UPGRADE = /^upgrade: websocket\r$/im;

interface Pair {
  client: Socket;
  gateway: Socket;
}

export class FaultProxy {
  readonly port: number;
  /** Port to which new connections are forwarded. */
  target: number;
  /** New connections are cut at once. */
  refusing = false;
  /** False: connections that ask for a WebSocket are cut, as some proxies do. Requests over HTTP pass. */
  webSockets = true;
  /** New connections end after this many bytes to the client; undefined: they last. */
  newEndAfter: number | undefined;
  /** Number of connections that were accepted so far. */
  accepted = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  /** Sockets of stalled connections. */
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

  /** Changes one bit near the end of the next chunk to each client. */
  damage(): void {
    for (const { client, gateway } of this.#pairs) {
      const forward = gateway.listeners("data");
      gateway.removeAllListeners("data");
      gateway.once("data", (chunk: Buffer) => {
        const changed = Buffer.from(chunk);
        const at = changed.length - 3;
        changed[at] = (changed[at] as number) ^ 4;
        client.write(changed);
        for (const listener of forward) gateway.on("data", listener as (chunk: Buffer) => void);
      });
    }
  }

  /**
   * Forwards only this many more bytes to the clients, then cuts the connections, usually in the middle of a
   * frame.
   */
  cutAfter(bytes: number): void {
    for (const pair of this.#pairs) endAfter(pair, bytes);
  }

  /** Keeps the connections open, but forwards nothing any more in either direction. New connections work. */
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

  /** Stops or resumes reading from the gateways, as if the clients read too slowly. */
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
    client.on("data", (chunk) => {
      if (this.webSockets || !UPGRADE.test(chunk.toString("latin1"))) gateway.write(chunk);
      else client.destroy();
    });
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
    if (this.newEndAfter !== undefined) endAfter(pair, this.newEndAfter);
  }
}

/** Forwards only this many more bytes to the client, then cuts the connection. */
function endAfter({ client, gateway }: Pair, bytes: number): void {
  let left = bytes;
  gateway.removeAllListeners("data");
  gateway.on("data", (chunk: Buffer) => {
    const passed = chunk.subarray(0, left);
    left -= passed.length;
    client.write(passed, () => {
      if (left === 0) client.destroy();
    });
  });
}

/** Starts a proxy to this port. The owner closes the proxy and all of its connections. */
export async function startProxy(owner: Owner, target: number): Promise<FaultProxy> {
  const proxy = new FaultProxy(await freePort(), target);
  owner.after(() => proxy.close());
  return proxy;
}
