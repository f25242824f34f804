/** Objects that all connections of one process share. */

import type { ThrottleLevel } from "@odin-ws/protocol";
import type { CompactEncoder } from "../delivery/compact-encoder.ts";
import type { Fanout } from "../delivery/fanout.ts";
import type { History } from "../delivery/history.ts";
import type { LastValues } from "../delivery/last-values.ts";
import type { StreamEnd } from "../delivery/stream-end.ts";
import type { Tally } from "../delivery/tally.ts";
import type { Verifier } from "../entrance/auth.ts";
import type { Metrics } from "../metrics.ts";
import type { Writes } from "../outgoing/writes.ts";
import type { ConnectionLog } from "./connection-log.ts";
import type { ReplayBudget } from "./replay-budget.ts";
import type { ThrottleSettings } from "./throttle.ts";
import type { TimerWheel } from "./timer-wheel.ts";
import type { Turns } from "./turns.ts";

export interface ConnectionLimits {
  maxChannels: number;
  /** Messages a second that a client may send. */
  inboundRate: number;
  /** Messages that a client may send at once. */
  inboundBurst: number;
  /** Messages that a connection keeps for replay. */
  replayBuffer: number;
  sendBufferBytes: number;
  pingSeconds: number;
}

export interface ConnectionContext {
  readonly limits: ConnectionLimits;
  readonly throttle: ThrottleSettings;
  readonly history: History;
  /** Undefined: `WS_LAST_VALUES=false`. */
  readonly lastValues: LastValues | undefined;
  readonly fanout: Fanout;
  readonly wheel: TimerWheel;
  /** Shares the time for requests and their answers among all clients. */
  readonly turns: Turns;
  /** Decides when connections write. */
  readonly writes: Writes;
  readonly replayBudget: ReplayBudget;
  readonly metrics: Metrics;
  readonly tally: Tally;
  /** Undefined: no client gets the compact encoding. */
  readonly compact?: CompactEncoder | undefined;
  readonly connectionLog: ConnectionLog;
  readonly verify: Verifier | undefined;
  /** Undefined where no other gateway can be ahead of this one. */
  readonly streamEnd: StreamEnd | undefined;
  /** Connections that are checked every second, because they are throttled or have missed messages. */
  readonly degraded: Set<Degraded>;
}

export interface Degraded {
  readonly level: ThrottleLevel;
  /** Removes the connection from the degraded ones when it has recovered. `now`: on the steady clock, ms. */
  checkRecovery(now: number): void;
}
