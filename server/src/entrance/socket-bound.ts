/** Bounds how many sockets an HTTP server holds, and for how long a socket may be silent. */

import type { Server } from "node:http";
import type { Socket } from "node:net";

/** A socket that sends nothing and takes nothing for this time is closed. WebSockets are exempt. */
const SILENT_MS = 10_000;
/** A socket that waits for longer than this may be closed to make room for another one. */
const MIN_WAIT_MS = 1000;

export interface SocketBoundOptions {
  /** Largest number of sockets. */
  max: number;
  /** Called for each new connection that is closed at once, because there is no room. */
  onRefused: (socket: Socket) => void;
  /** Called when the system cannot accept a connection, for example because it has no descriptor left. */
  onError: (error: Error) => void;
}

export class SocketBound {
  readonly #max: number;
  readonly #onRefused: (socket: Socket) => void;
  readonly #onClose: (this: Socket) => void;
  /** Sockets that are not admitted yet, the oldest first, with the times at which they connected. */
  readonly #waiting = new Map<Socket, number>();
  #count = 0;

  constructor(server: Server, { max, onRefused, onError }: SocketBoundOptions) {
    this.#max = max;
    this.#onRefused = onRefused;
    const forget = (socket: Socket) => this.#forget(socket);
    this.#onClose = function onClose() {
      forget(this);
    };
    server.timeout = SILENT_MS;
    server.on("connection", (socket: Socket) => this.#onConnection(socket));
    // While the server is not listening yet, the caller of listen gets the error.
    server.on("error", (error) => {
      if (server.listening) onError(error);
    });
  }

  /** The socket is a WebSocket now: it no longer has to make room for another one. */
  admit(socket: Socket): void {
    this.#waiting.delete(socket);
  }

  #onConnection(socket: Socket): void {
    const now = performance.now();
    if (this.#count >= this.#max && !this.#closeOldest(now)) {
      this.#onRefused(socket);
      socket.destroy();
      return;
    }
    this.#count++;
    this.#waiting.set(socket, now);
    socket.on("close", this.#onClose);
  }

  /** Closes the socket that has waited for the longest time: a client needs only moments for its request. */
  #closeOldest(now: number): boolean {
    for (const [socket, since] of this.#waiting) {
      if (now - since < MIN_WAIT_MS) return false;
      socket.off("close", this.#onClose);
      this.#forget(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  #forget(socket: Socket): void {
    this.#count--;
    this.#waiting.delete(socket);
  }
}
