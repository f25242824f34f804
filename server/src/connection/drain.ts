/**
 * Disconnects the clients of a stopping gateway, spread over time so that the other gateways can take them.
 */

import { CLOSE } from "@odin-ws/protocol";
import { steadyClock } from "../clock.ts";
import type { Connection } from "./connection.ts";

/** How a gateway disconnects its clients. */
export interface DrainPlan {
  /** Time over which all clients are disconnected. */
  seconds: number;
  /** Whether the gateway comes back soon: then it hurries, and a larger part of the time passes first. */
  restarts: boolean;
}

/**
 * Share of the time in which nobody is disconnected yet: first the load balancer must see that `/health`
 * fails, which takes 10 s.
 */
const GRACE = { stop: 0.25, restart: 2 / 3 };
/** Milliseconds in which nobody is disconnected yet. */
export const graceMs = ({ seconds, restarts }: DrainPlan): number =>
  seconds * 1000 * (restarts ? GRACE.restart : GRACE.stop);
/** Each client reconnects, to another gateway, after a random wait of up to this time. */
const RECONNECT_MS = 1000;
const TICK_MS = 50;
/** When the drain has ended, clients that have not answered the close within this time are cut off. */
const CLOSE_TIMEOUT_MS = 2000;

export class Drain {
  readonly done: Promise<void>;
  readonly #connections: ReadonlySet<Connection>;
  /** Connections that have not been disconnected yet. The last one is the next to go. */
  readonly #waiting: Connection[];
  readonly #startedAt = steadyClock.now();
  readonly #durationMs: number;
  readonly #graceMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #total: number;
  #resolve: () => void = () => {};

  constructor(connections: ReadonlySet<Connection>, plan: DrainPlan) {
    this.#connections = connections;
    this.#durationMs = plan.seconds * 1000;
    this.#graceMs = graceMs(plan);
    this.#waiting = shuffled([...connections]);
    this.#total = this.#waiting.length;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  /** Adds a client that was still in the handshake when the drain began. */
  add(connection: Connection): void {
    this.#waiting.push(connection);
  }

  /** A connection has closed, for whatever reason. */
  onClosed(): void {
    if (this.#connections.size === 0) this.stop();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#resolve();
  }

  #tick(): void {
    const elapsed = steadyClock.now() - this.#startedAt;
    const window = this.#durationMs - this.#graceMs;
    // The random part varies the number of clients that each tick disconnects.
    const progress = (elapsed - this.#graceMs + Math.random() * TICK_MS) / Math.max(1, window);
    const remaining = elapsed >= this.#durationMs ? 0 : Math.ceil(this.#total * (1 - Math.max(0, progress)));
    while (this.#waiting.length > remaining) this.#disconnect(this.#waiting.pop() as Connection);
    if (elapsed > this.#durationMs + CLOSE_TIMEOUT_MS) for (const { ws } of this.#connections) ws.terminate();
    this.onClosed();
  }

  #disconnect(connection: Connection): void {
    connection.control({
      type: "reconnect",
      in_ms: Math.round(Math.random() * RECONNECT_MS),
      reason: "this gateway is being replaced",
    });
    connection.close(CLOSE.restart, "restart");
  }
}

function shuffled<T>(items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [items[i], items[j]] = [items[j] as T, items[i] as T];
  }
  return items;
}
