/** A simulated market instead of a stream: what `npm start` shows when no NATS is set up. Needs no server. */

import { randomUUID } from "node:crypto";
import { startMarket } from "@odin-ws/publisher/market";
import type { Source } from "./source.ts";

export interface SimulatorOptions {
  /** Events a second. */
  rate: number;
  /** Tokens on the market. Default: the market's own. */
  tokens?: number;
  /** Seconds between two trending lists. Default: 5. */
  trendingSeconds?: number;
}

/** Runs a market until the signal aborts. While no message is wanted its events are left out: what counts of a market is now. */
export function simulatorSource(options: SimulatorOptions): Source {
  return async (intake, signal) => {
    if (signal.aborted) return;
    intake.begin(randomUUID(), 0);
    intake.status({ connected: true, warm: true, lag: 0 });
    let offset = 0;
    let gate: "ask" | "shut" | "open" = "ask";
    // The clock as the seed: another market with each start.
    const market = startMarket({ ...options, seed: Date.now() }, ({ subject, data }) => {
      const wait = gate === "ask" ? intake.ready() : undefined;
      if (wait) {
        gate = "shut";
        void wait.then(() => {
          gate = "open";
        });
      }
      if (gate === "shut") return;
      gate = "ask";
      offset++;
      intake.message({ subject, offset, ts: Date.now(), body: Buffer.from(JSON.stringify(data)) });
    });
    const { promise: stopped, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve(), { once: true });
    await stopped;
    market.stop();
  };
}
