/**
 * Chooses the gateway of each line as the load balancer of the deployment does: by a hash of the client's
 * address, among the gateways whose `/health` answers 200. A connection stays where it is when the health of
 * its gateway changes.
 */

import { createHash } from "node:crypto";
import type { FaultProxy } from "../../client/fault-proxy.ts";

const PERIOD_MS = 500;
const TIMEOUT_MS = 1500;
const NO_ANSWER = { ok: false };

export interface Backend {
  readonly wsPort: number;
  readonly opsPort: number;
}

export class Balancer {
  readonly #lines: readonly FaultProxy[];
  #backends: readonly Backend[] = [];
  #healthy: Backend[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(lines: readonly FaultProxy[]) {
    this.#lines = lines;
    this.#timer = setInterval(() => void this.#look(), PERIOD_MS);
  }

  /** A gateway was started or replaced. */
  set backends(backends: readonly Backend[]) {
    this.#backends = backends;
    this.route();
  }

  /** True when the gateway was healthy at the last look. */
  isHealthy(backend: Backend): boolean {
    return this.#healthy.some(({ wsPort }) => wsPort === backend.wsPort);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const answers = await Promise.all(
      this.#backends.map(async (backend) => {
        const url = `http://127.0.0.1:${backend.opsPort}/health`;
        const { ok } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => NO_ANSWER);
        return ok ? [backend] : [];
      }),
    );
    this.#healthy = answers.flat();
    this.route();
  }

  /** New connections of each line go to one of the healthy gateways; to any gateway while none is healthy. */
  route(): void {
    const choice = this.#healthy.length > 0 ? this.#healthy : this.#backends;
    for (const [index, line] of this.#lines.entries()) {
      const target = choice.toSorted((a, b) => weight(index, b) - weight(index, a))[0];
      if (target !== undefined) line.target = target.wsPort;
    }
  }
}

/** Rendezvous hashing: a gateway that leaves moves only its own clients. */
function weight(line: number, { wsPort }: Backend): number {
  return createHash("md5").update(`${line} ${wsPort}`).digest().readUInt32BE();
}
