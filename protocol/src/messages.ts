/** Messages on the wire in both directions, and the parser for messages of clients. See PROTOCOL.md. */

import { parseChannel } from "./channels.ts";
import type { Priority } from "./events.ts";
import { MAX_RATE, MIN_RATE } from "./limits.ts";

/** A position in the stream. `offset` is comparable only within the same `epoch`. */
export interface Position {
  epoch: string;
  offset: number;
}

/** A position from which a client resumes. */
export interface Since extends Position {
  /**
   * `ts` of the envelope that the client received at this offset, when it received one. Shows that the stream
   * went back: then another message is at this offset.
   */
  ts?: number;
}

export interface Subscribe {
  type: "subscribe";
  /** Channels and patterns, in short form, without duplicates. */
  channels: string[];
  since?: Since;
  /** Sends the newest message of each channel first. */
  last?: true;
  /** Messages a second that are sent of each channel, MIN_RATE to MAX_RATE; absent: all. */
  max_rate?: number;
}
export interface Unsubscribe {
  type: "unsubscribe";
  channels: string[];
}
export interface Replay {
  type: "replay";
  from_seq: number;
  to_seq: number;
}
export interface Heartbeat {
  type: "heartbeat";
}
export interface Auth {
  type: "auth";
  token: string;
}
export type ClientMessage = Subscribe | Unsubscribe | Replay | Heartbeat | Auth;

export interface Welcome {
  type: "welcome";
  connection: string;
  instance: string;
  epoch: string;
  /** Offset of the last message that the gateway has read. */
  offset: number;
  heartbeat_seconds: number;
  /** The client draws its first wait before a reconnect from this window. */
  reconnect: { min_ms: number; max_ms: number };
  /** Channels and patterns that a connection may have; only when the number is not MAX_CHANNELS. */
  max_channels?: number;
  /** The encoding of this connection; only when the client has asked for the compact encoding. */
  encoding?: "json" | "compact";
}
export interface SubscriptionAck {
  type: "subscription_ack";
  /** All channels of the connection after the request. */
  subscribed: string[];
  count: number;
  /**
   * Only after `since`: false when the gateway does not have all messages after this position. The client
   * must then fetch the present state.
   */
  recovered?: boolean;
  /** Only after `since`: the number of missed envelopes that follow. */
  replayed?: number;
  /**
   * Only after `last: true`: the number of last values that follow. Absent from a gateway that does not keep
   * last values.
   */
  last?: number;
}
export interface Envelope<Data = unknown> {
  /** Number of this envelope on its connection: 1, 2, 3, … */
  seq: number;
  /** Position in the stream, the same on every gateway. */
  offset: number;
  /** Time at which the stream stored the message, milliseconds since 1970. */
  ts: number;
  type: string;
  priority: Priority;
  channel: string;
  data: Data;
  /** A last value: was published before the subscription that asked for it. */
  last?: true;
}
export interface HeartbeatAck {
  type: "heartbeat_ack";
  /** Gateway's clock, milliseconds since 1970. */
  ts: number;
  /** Last `seq` of this connection. A client that has received less must request a replay. */
  seq: number;
  /** A client that has received everything up to `seq` can resume from this offset. */
  offset: number;
}
export interface ReplayEnd {
  type: "replay_end";
  from_seq: number;
  to_seq: number;
  sent: number;
  missing: number;
}
export interface ThrottleUpdate {
  type: "throttle_update";
  level: ThrottleLevel;
  rate_percent: number;
  /** Number of messages that the gateway has dropped since the level was last 0. */
  dropped: number;
  /** To get the dropped messages: `subscribe` with this position as `since`. */
  since: Position;
  message: string;
}
export type ErrorCode =
  | "invalid_json"
  | "invalid_message"
  | "invalid_channel"
  | "too_many_channels"
  | "rate_limited"
  | "forbidden_channel"
  | "unauthorized"
  | "keys_unavailable";
export interface ErrorMessage {
  type: "error";
  code: ErrorCode;
  message: string;
}
export interface Reconnect {
  type: "reconnect";
  in_ms: number;
  reason: string;
}
/** All messages of the server except envelopes. */
export type ControlMessage =
  | Welcome
  | SubscriptionAck
  | HeartbeatAck
  | ReplayEnd
  | ThrottleUpdate
  | ErrorMessage
  | Reconnect;
export type ServerMessage = ControlMessage | Envelope;

/** Only envelopes have a channel. Their `type` does not identify them, because the publisher chooses it. */
export const isEnvelope = (message: ServerMessage): message is Envelope => "channel" in message;

/** 0 normal, 1 light, 2 medium, 3 heavy. */
export type ThrottleLevel = 0 | 1 | 2 | 3;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function invalid(code: ErrorCode, message: string): ErrorMessage {
  return { type: "error", code, message };
}

/** Characters of a wrong value that an error message quotes. */
const QUOTED = 80;

/**
 * Returns the start of a value that a client sent, as JSON. Looks at no more of the value than is quoted:
 * thousands of nested arrays would take milliseconds, and tens of thousands would overflow the stack.
 */
function quote(value: unknown): string {
  let left = QUOTED + 1;
  const cut = typeof value === "string" ? value.slice(0, QUOTED) : value;
  const text = JSON.stringify(cut, (_key, item) => (left-- > 0 ? item : null)) ?? "undefined";
  return text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text;
}

function parseChannels(value: unknown): string[] | ErrorMessage {
  if (!Array.isArray(value) || value.length === 0) {
    return invalid("invalid_message", `"channels" must be a non-empty array of names, not ${quote(value)}`);
  }
  const channels = new Set<string>();
  for (const name of value) {
    const channel = parseChannel(name);
    if (channel === undefined) {
      return invalid(
        "invalid_channel",
        `${quote(name)} is not a channel: write SYMBOL.EVENT, global.EVENT, SYMBOL.* or *.EVENT`,
      );
    }
    channels.add(channel);
  }
  return [...channels];
}

function parseSince(value: unknown): Since | ErrorMessage {
  const since = value as Partial<Since> | null;
  if (
    typeof since !== "object" ||
    since === null ||
    typeof since.epoch !== "string" ||
    !isCount(since.offset)
  ) {
    return invalid(
      "invalid_message",
      `"since" must be {"epoch": text, "offset": number}, not ${quote(value)}`,
    );
  }
  const { epoch, offset, ts } = since;
  return { epoch, offset, ...(isCount(ts) && { ts }) };
}

type SubscribeOptions = Omit<Subscribe, "type" | "channels">;

function parseOptions({ since, last, max_rate }: Record<string, unknown>): SubscribeOptions | ErrorMessage {
  const options: SubscribeOptions = {};
  if (since !== undefined) {
    const parsed = parseSince(since);
    if (isError(parsed)) return parsed;
    options.since = parsed;
  }
  if (last !== undefined && typeof last !== "boolean") {
    return invalid("invalid_message", `"last" must be true or false, not ${quote(last)}`);
  }
  if (last === true) options.last = true;
  if (max_rate !== undefined) {
    if (typeof max_rate !== "number" || !(max_rate >= MIN_RATE && max_rate <= MAX_RATE)) {
      return invalid(
        "invalid_message",
        `"max_rate" must be a number from ${MIN_RATE} to ${MAX_RATE} (messages a second), not ${quote(max_rate)}`,
      );
    }
    options.max_rate = max_rate;
  }
  return options;
}

const isError = (value: object): value is ErrorMessage => "type" in value && value.type === "error";

/**
 * Parses one message of a client. Never throws.
 *
 * @returns the message with its channels in short form, or the `error` message to answer with
 */
export function parseClientMessage(text: string): ClientMessage | ErrorMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return invalid("invalid_json", `the message is not JSON: ${quote(text)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid("invalid_message", `a message must be an object with a "type", not ${quote(value)}`);
  }
  const message = value as Record<string, unknown>;
  switch (message.type) {
    case "heartbeat":
      return { type: "heartbeat" };
    case "subscribe": {
      const channels = parseChannels(message.channels);
      if (isError(channels)) return channels;
      const options = parseOptions(message);
      return isError(options) ? options : { type: "subscribe", channels, ...options };
    }
    case "unsubscribe": {
      const channels = parseChannels(message.channels);
      return isError(channels) ? channels : { type: "unsubscribe", channels };
    }
    case "replay": {
      const { from_seq, to_seq } = message;
      if (!isCount(from_seq) || !isCount(to_seq) || from_seq < 1 || to_seq < from_seq) {
        return invalid(
          "invalid_message",
          `"replay" needs 1 <= from_seq <= to_seq, not ${quote(from_seq)} and ${quote(to_seq)}`,
        );
      }
      return { type: "replay", from_seq, to_seq };
    }
    case "auth":
      if (typeof message.token !== "string" || message.token === "") {
        return invalid("invalid_message", `"auth" needs a "token": a text that is not empty`);
      }
      return { type: "auth", token: message.token };
    default:
      return invalid(
        "invalid_message",
        `unknown type ${quote(message.type)}: use subscribe, unsubscribe, replay, heartbeat or auth`,
      );
  }
}
