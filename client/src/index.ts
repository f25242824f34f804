/**
 * A client for odin-ws gateways, in browsers and Node: it subscribes, reconnects, resumes, and says when something was lost.
 * README.md shows how to use it; ../../protocol/PROTOCOL.md is what it speaks.
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
  Watchable,
} from "./types.ts";
