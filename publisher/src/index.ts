/**
 * Publishes the events of a token market to NATS JetStream. Gateways of odin-ws read them there and deliver
 * them to browsers. Start with `connectPublisher`.
 */

export { STREAM_DEFAULTS } from "@odin-ws/protocol";
export type { Revoked } from "@odin-ws/protocol/revocation";
export {
  EventRefusedError,
  InvalidEventError,
  InvalidOptionsError,
  NotStoredError,
  PublisherClosedError,
  PublisherError,
  QueueFullError,
  type QueueLevel,
} from "./errors.ts";
export type * from "./events.ts";
export type { PublisherOptions, PublisherStatus } from "./options.ts";
export { connectPublisher, type Published, type Publisher, type PublisherStats } from "./publisher.ts";
export { type RevokeOptions, revoke } from "./revoke.ts";
export type { StreamSettings } from "./stream-settings.ts";
