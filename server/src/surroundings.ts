/** What all connections of one process share. */

import type { ThrottleLevel } from "@odin-ws/protocol";
import type { Verifier } from "./auth.ts";
import type { Fanout } from "./fanout.ts";
import type { History } from "./history.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Tally } from "./tally.ts";
import type { ThrottleSettings } from "./throttle.ts";
import type { Wheel } from "./wheel.ts";

export interface ConnectionLimits {
  maxChannels: number;
  /** Messages a second, and at once. */
  inboundRate: number;
  inboundBurst: number;
  replayBuffer: number;
  sendBufferBytes: number;
  pingSeconds: number;
}

export interface Surroundings {
  readonly limits: ConnectionLimits;
  readonly throttle: ThrottleSettings;
  readonly history: History;
  readonly fanout: Fanout;
  readonly wheel: Wheel;
  readonly metrics: Metrics;
  readonly tally: Tally;
  readonly log: Log;
  readonly verify: Verifier | undefined;
  /** Connections with something to settle every second: throttled ones, and those that missed messages. */
  readonly restless: Set<Restless>;
}

export interface Restless {
  readonly level: ThrottleLevel;
  /** `now` in milliseconds. */
  settle(now: number): void;
}
