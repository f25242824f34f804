/** The network between one client and the servers. It can be cut, and chooses the server of a connection. */

import { connect, type NetConnectOpts, Socket } from "node:net";

/** Ports of the servers that accept new connections. Shared by all lines of a process. */
export class Route {
  #ports: readonly number[] = [];
  /** Ports of servers that are gone: the kernel has refused a connection since the last change. */
  readonly refusing = new Set<number>();

  get ports(): readonly number[] {
    return this.#ports;
  }

  set ports(ports: readonly number[]) {
    this.#ports = ports;
    this.refusing.clear();
  }
}

export class Line {
  /** Port of the last connection. */
  port = 0;
  isAway = false;
  readonly #index: number;
  readonly #route: Route;
  /** Open connections: a client may have several requests over HTTP beside its WebSocket. */
  readonly #sockets = new Set<Socket>();

  /** @param index number of the client, from which a server is chosen */
  constructor(index: number, route: Route) {
    this.#index = index;
    this.#route = route;
  }

  /** The server that new connections reach: a load balancer that hashes by address chooses like this. */
  get target(): number {
    let best = 0;
    let heaviest = -1;
    for (const port of this.#route.ports) {
      const weight = weightOf(this.#index, port);
      if (weight > heaviest) [best, heaviest] = [port, weight];
    }
    return best;
  }

  /** Opens a connection; while the line is away, the connection fails at once. */
  dial(options: Partial<NetConnectOpts> = {}): Socket {
    if (this.isAway) return broken("the line is away");
    this.port = this.target;
    // Thousands of clients try again and again to reach a server that is gone. In the real world each of them
    // has its own CPU. Here they take it from the servers, so the line answers as the kernel does.
    if (this.#route.refusing.has(this.port)) return broken("refused");
    const socket = connect({
      ...options,
      port: this.port,
      host: "127.0.0.1",
      noDelay: true,
    } as NetConnectOpts);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const { port } = this;
    socket.once("error", ({ code }: NodeJS.ErrnoException) => {
      if (code === "ECONNREFUSED") this.#route.refusing.add(port);
    });
    return socket;
  }

  /** Breaks all connections, without a word to the client's protocol, and refuses new ones until `back`. */
  cut(): void {
    this.isAway = true;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  back(): void {
    this.isAway = false;
  }
}

/** A connection that fails at once. */
function broken(why: string): Socket {
  const socket = new Socket();
  setImmediate(() => socket.destroy(new Error(why)));
  return socket;
}

/** Rendezvous hashing: when a server leaves, only its own clients move. */
function weightOf(index: number, port: number): number {
  let hash = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(port, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
