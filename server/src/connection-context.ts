/** Makes the objects that all connections of one process share, as the settings want them. */

import { secondNow } from "./clock.ts";
import { type Config, lastValuesLimits } from "./config.ts";
import type { ConnectionLog } from "./connection/connection-log.ts";
import type { ConnectionContext, Degraded } from "./connection/context.ts";
import { ReplayBudget } from "./connection/replay-budget.ts";
import type { ThrottleSettings } from "./connection/throttle.ts";
import { TimerWheel } from "./connection/timer-wheel.ts";
import { Turns } from "./connection/turns.ts";
import { CompactEncoder } from "./delivery/compact-encoder.ts";
import { Fanout } from "./delivery/fanout.ts";
import { History } from "./delivery/history.ts";
import { LastValues } from "./delivery/last-values.ts";
import type { StreamEnd } from "./delivery/stream-end.ts";
import { Tally } from "./delivery/tally.ts";
import type { Verifier } from "./entrance/auth.ts";
import { eventLabel, type Metrics } from "./metrics.ts";
import { Writes } from "./outgoing/writes.ts";

export interface ContextOptions {
  config: Config;
  metrics: Metrics;
  connectionLog: ConnectionLog;
  /** Undefined: no tokens are required. */
  verify: Verifier | undefined;
  streamEnd: StreamEnd | undefined;
}

export function createContext(options: ContextOptions): ConnectionContext {
  const { config, metrics, connectionLog, verify, streamEnd } = options;
  const tally = new Tally(metrics);
  return {
    limits: {
      maxChannels: config.WS_MAX_CHANNELS,
      inboundRate: config.WS_INBOUND_RATE,
      inboundBurst: config.WS_INBOUND_BURST,
      replayBuffer: config.WS_REPLAY_BUFFER,
      sendBufferBytes: config.WS_SEND_BUFFER_BYTES,
      pingSeconds: config.WS_PING_SECONDS,
    },
    throttle: throttleOf(config),
    history: new History({
      maxAgeMs: config.JS_STREAM_MAX_AGE,
      maxMessages: config.JS_STREAM_MAX_MSGS,
      maxBytes: config.JS_STREAM_MAX_BYTES,
    }),
    lastValues: config.WS_LAST_VALUES ? new LastValues(lastValuesLimits(config)) : undefined,
    fanout: new Fanout({
      deliveredLate: (message) => tally.flush(message),
      leftOut: ({ event }, subscribers) => metrics.conflated.inc({ event: eventLabel(event) }, subscribers),
    }),
    wheel: new TimerWheel(secondNow()),
    turns: new Turns(),
    writes: new Writes({
      metrics,
      sendBufferBytes: config.WS_SEND_BUFFER_BYTES,
      delayMs: config.WS_WRITE_DELAY_MS,
    }),
    replayBudget: new ReplayBudget(),
    metrics,
    tally,
    compact: config.WS_COMPACT ? new CompactEncoder(config.WS_COMPACT_PREVIOUS) : undefined,
    connectionLog,
    verify,
    streamEnd,
    degraded: new Set<Degraded>(),
  };
}

function throttleOf(config: Config): ThrottleSettings {
  return {
    policy: config.WS_THROTTLE_POLICY,
    percent: [
      100,
      config.WS_THROTTLE_LIGHT_PERCENT,
      config.WS_THROTTLE_MEDIUM_PERCENT,
      config.WS_THROTTLE_HEAVY_PERCENT,
    ],
    recoveryMs: config.WS_THROTTLE_RECOVERY_SECONDS * 1000,
    maxLevel: (config.WS_THROTTLE_ENABLED ? config.WS_THROTTLE_MAX_LEVEL : 0) as ThrottleSettings["maxLevel"],
  };
}
