/** What all connections of one process share. */

import type { ThrottleLevel } from "@odin-ws/protocol";
import type { Fanout } from "../delivery/fanout.ts";
import type { History } from "../delivery/history.ts";
import type { Tally } from "../delivery/tally.ts";
import type { Verifier } from "../entrance/auth.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { ThrottleSettings } from "./throttle.ts";
import type { TimerWheel } from "./timer-wheel.ts";

export interface ConnectionLimits {
  maxChannels: number;
  /** Messages a second, and at once. */
  inboundRate: number;
  inboundBurst: number;
  replayBuffer: number;
  sendBufferBytes: number;
  pingSeconds: number;
}

export interface ConnectionContext {
  readonly limits: ConnectionLimits;
  readonly throttle: ThrottleSettings;
  readonly history: History;
  readonly fanout: Fanout;
  readonly wheel: TimerWheel;
  readonly metrics: Metrics;
  readonly tally: Tally;
  readonly log: Log;
  readonly verify: Verifier | undefined;
  /** Connections with something to settle every second: throttled ones, and those that missed messages. */
  readonly degraded: Set<Degraded>;
}

export interface Degraded {
  readonly level: ThrottleLevel;
  /** `now` in milliseconds. */
  checkRecovery(now: number): void;
}
