/**
 * Publishes a token market's events to NATS JetStream, from where odin-ws gateways bring them to browsers.
 * Start with `connectPublisher`.
 */

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
export { STREAM_DEFAULTS, type StreamSettings } from "./stream.ts";
