/** Numbers of the protocol. The gateway's settings may lower or raise those marked (setting). */

/** WebSocket and operations ports (settings `WS_PORT`, `OPS_PORT`). */
export const WS_PORT = 3004;
export const OPS_PORT = 3002;
export const WS_PATH = "/ws";

/** Largest message that a client may send, in bytes; more is closed with 1009. */
export const MAX_INBOUND_BYTES = 4096;
/** Channels and patterns that one connection may hold. */
export const MAX_CHANNELS = 256;
/** Messages a second that a client may send, and how many at once. */
export const INBOUND_RATE = 20;
export const INBOUND_BURST = 40;
/** The server pings this often: a load balancer forgets a silent flow after 60 s. */
export const HEARTBEAT_SECONDS = 25;
/** Envelopes that a connection can ask for again (setting `WS_REPLAY_BUFFER`). */
export const REPLAY_BUFFER = 100;

/** Close codes that the gateway uses, beside 1002 and 1007 for broken frames. */
export const CLOSE = {
  /** The process goes away at once (second signal). */
  leaving: 1001,
  /** Slow beyond the last throttle level, or abuse of the protocol. */
  policy: 1008,
  /** A message above MAX_INBOUND_BYTES. */
  tooLarge: 1009,
  /** Planned restart: come back after the `in_ms` of the `reconnect` message. */
  restart: 1012,
  /** The token's `exp` has passed and no fresh one came. */
  tokenExpired: 4401,
} as const;
