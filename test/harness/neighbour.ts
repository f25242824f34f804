/** A client that does nothing wrong, and measures how long the gateway takes to answer it. */

import { performance } from "node:perf_hooks";
import { connect } from "./client.ts";
import type { Gateway } from "./gateway.ts";
import type { Owner } from "./owner.ts";
import { pause } from "./wait.ts";

/** Below the rate of messages that a client may send. */
const EVERY_MS = 60;

export interface Neighbour {
  /** Stops and returns the 99th percentile of all answer times, ms. Fails when the connection was lost. */
  p99(): Promise<number>;
}

export async function startNeighbour(owner: Owner, gateway: Gateway, token?: string): Promise<Neighbour> {
  const client = await connect(owner, gateway, token === undefined ? {} : { token });
  const times: number[] = [];
  let stopped = false;
  const measured = (async () => {
    while (!stopped) {
      const start = performance.now();
      await client.ask({ type: "heartbeat" }, "heartbeat_ack");
      times.push(performance.now() - start);
      await pause(EVERY_MS);
    }
  })();
  // A failure is reported by p99; until then it must not end the process of the test.
  measured.catch(() => {});
  return {
    async p99() {
      stopped = true;
      await measured;
      return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
    },
  };
}
