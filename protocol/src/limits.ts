/** Numbers of the protocol. A number with a setting in parentheses is the default of this setting. */

/** WebSocket and operations ports (settings `WS_PORT`, `OPS_PORT`). */
export const WS_PORT = 3004;
export const OPS_PORT = 3002;
/** Path of the WebSocket (setting `WS_PATH`). */
export const WS_PATH = "/ws";

/**
 * Largest message that a client may send, in bytes (setting `WS_MAX_MESSAGE_BYTES`). The gateway closes with
 * 1009 after a larger message.
 */
export const MAX_INBOUND_BYTES = 4096;
/** Channels and patterns that one connection may hold (setting `WS_MAX_CHANNELS`). */
export const MAX_CHANNELS = 256;
/**
 * Messages per second that a client may send, and how many of them at once (settings `WS_INBOUND_RATE`,
 * `WS_INBOUND_BURST`).
 */
export const INBOUND_RATE = 20;
export const INBOUND_BURST = 40;
/**
 * Seconds between the server's pings (setting `WS_PING_SECONDS`): a load balancer forgets a silent flow after
 * 60 s.
 */
export const HEARTBEAT_SECONDS = 25;
/** Number of last envelopes that a connection can request again (setting `WS_REPLAY_BUFFER`). */
export const REPLAY_BUFFER = 100;
/** Last values that one `subscribe` can bring: with patterns, the newest of the matching channels. */
export const MAX_LAST_VALUES = 1000;
/** Bounds of `max_rate`, messages a second of each channel. */
export const MIN_RATE = 0.1;
export const MAX_RATE = 100;

/**
 * In the compact encoding, a message is compressed with the previous message of its channel only when that
 * message's offset is at most this much lower.
 */
export const PREVIOUS_REACH = 16_384;

/** Close codes that the gateway uses, in addition to 1002 and 1007 for broken frames. */
export const CLOSE = {
  /** The process stops at once (second signal). */
  leaving: 1001,
  /** The client is too slow even at the last throttle level, or abuses the protocol. */
  policy: 1008,
  /** The client sent a message above MAX_INBOUND_BYTES. */
  tooLarge: 1009,
  /** Planned restart: the client reconnects after the `in_ms` of the `reconnect` message. */
  restart: 1012,
  /** The token has expired, and the client has sent no fresh token; or the token was revoked. */
  tokenExpired: 4401,
  /** Another connection of the same user took the seat (setting `WS_USER_LIMIT_ACTION=replace`). */
  replaced: 4409,
} as const;
