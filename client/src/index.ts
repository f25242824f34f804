/**
 * A client for odin-ws gateways, for browsers and Node. The client subscribes, reconnects, resumes, and
 * reports lost messages. README.md shows how to use the client; ../../protocol/PROTOCOL.md defines the
 * protocol.
 */

export type { Envelope, ErrorCode, Priority, ThrottleLevel } from "@odin-ws/protocol";
export { connect } from "./connect.ts";
export type {
  Client,
  ClientError,
  ConnectOptions,
  Environment,
  Events,
  Listener,
  MessageInfo,
  Question,
  Refetch,
  Socket,
  State,
  Status,
  SubscribeOptions,
  Watchable,
} from "./types.ts";
