/** The source that simulates a market. `npm start` uses it when NATS is not set up. Needs no server. */

import { randomUUID } from "node:crypto";
import { startMarket } from "@odin-ws/publisher/market";
import type { Source } from "./source.ts";

export interface SimulatorOptions {
  /** Events a second. */
  rate: number;
  /** Number of tokens on the market. Default: the market's default. */
  tokens?: number;
  /** Seconds between two trending lists. Default: 5. */
  trendingSeconds?: number;
}

/**
 * Runs a market until the signal aborts. While no message is wanted, its events are dropped: only current
 * prices matter.
 */
export function simulatorSource(options: SimulatorOptions): Source {
  return async (intake, signal) => {
    if (signal.aborted) return;
    intake.begin(randomUUID(), 0);
    intake.status({ connected: true, warm: true, lag: 0 });
    let offset = 0;
    /**
     * `ask`: ask the intake before the next message. `shut`: the intake does not want it yet. `open`: it
     * wants it now.
     */
    let gate: "ask" | "shut" | "open" = "ask";
    // The seed is the time, so that each start simulates another market.
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
