/**
 * Publishes a token market's events to NATS JetStream, from where odin-ws gateways bring them to browsers.
 * Start with `connectPublisher`.
 */

export { STREAM_DEFAULTS } from "@odin-ws/protocol";
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
export type { StreamSettings } from "./nats/stream.ts";
export type { PublisherOptions, PublisherStatus } from "./options.ts";
export { connectPublisher, type Published, type Publisher, type PublisherStats } from "./publisher.ts";
