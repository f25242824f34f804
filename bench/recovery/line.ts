/** The network between one client and the servers. It can be cut, and chooses the server of a connection. */

import { connect, type NetConnectOpts, Socket } from "node:net";

/** Ports of the servers that accept new connections. Shared by all lines of a process. */
export interface Route {
  ports: readonly number[];
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
    if (this.isAway) {
      const dead = new Socket();
      setImmediate(() => dead.destroy(new Error("the line is away")));
      return dead;
    }
    this.port = this.target;
    const socket = connect({
      ...options,
      port: this.port,
      host: "127.0.0.1",
      noDelay: true,
    } as NetConnectOpts);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
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

/** Rendezvous hashing: when a server leaves, only its own clients move. */
function weightOf(index: number, port: number): number {
  let hash = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(port, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}
