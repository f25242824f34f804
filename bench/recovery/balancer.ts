/**
 * Follows the health of the servers as the deployment's load balancer does: two failed checks take a server
 * out, and new connections go to the others. Existing connections stay.
 */

import type { Loaders } from "./loaders.ts";
import type { Server } from "./servers.ts";

/** Failed checks in a row that take a server out. */
const THRESHOLD = 2;

export class Balancer {
  readonly #loaders: Loaders;
  readonly #checkMs: number;
  readonly #failed = new Map<Server, number>();
  readonly #timer: NodeJS.Timeout;

  /** @param checkMs time between two checks, and the longest wait for an answer, ms */
  constructor(loaders: Loaders, checkMs: number) {
    this.#loaders = loaders;
    this.#checkMs = checkMs;
    this.#timer = setInterval(() => {
      for (const server of this.#failed.keys()) void this.#check(server);
    }, checkMs);
  }

  async add(server: Server): Promise<void> {
    this.#failed.set(server, 0);
    await this.#route();
  }

  async remove(server: Server): Promise<void> {
    this.#failed.delete(server);
    await this.#route();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #check(server: Server): Promise<void> {
    const signal = AbortSignal.timeout(this.#checkMs);
    const answer = await fetch(server.health, { signal }).catch(() => undefined);
    await answer?.body?.cancel();
    const before = this.#failed.get(server);
    if (before === undefined) return;
    const failed = answer?.ok === true ? 0 : before + 1;
    this.#failed.set(server, failed);
    if (failed >= THRESHOLD !== before >= THRESHOLD) await this.#route();
  }

  async #route(): Promise<void> {
    const ports = [...this.#failed].filter(([, failed]) => failed < THRESHOLD).map(([{ port }]) => port);
    // While no server is healthy, a load balancer uses all of them.
    const all = [...this.#failed.keys()].map(({ port }) => port);
    await this.#loaders.all("route", { ports: ports.length > 0 ? ports : all });
  }
}
