/** Events of the stream, and the type and priority that they travel with unless the publisher's headers say otherwise. */

/** Lowest first: a throttled or overloaded gateway drops in this order. */
export const PRIORITIES = ["low", "medium", "high", "critical"] as const;
export type Priority = (typeof PRIORITIES)[number];

export const isPriority = (text: unknown): text is Priority =>
  (PRIORITIES as readonly unknown[]).includes(text);

/** Headers that a publisher may set on a NATS message. */
export const HEADER = { type: "Odin-Type", priority: "Odin-Priority", messageId: "Nats-Msg-Id" } as const;

export const TOKEN_EVENTS = [
  "trade",
  "liquidity",
  "metadata",
  "social",
  "comment",
  "favorites",
  "creation",
  "analytics",
  "balances",
  "update",
] as const;
export const GLOBAL_EVENTS = ["trending", "new_listing"] as const;
export type TokenEvent = (typeof TOKEN_EVENTS)[number];
export type GlobalEvent = (typeof GLOBAL_EVENTS)[number];

interface Kind {
  type: string;
  priority: Priority;
}

const KINDS: ReadonlyMap<string, Kind> = new Map<TokenEvent | GlobalEvent, Kind>([
  ["trade", { type: "price:update", priority: "high" }],
  ["liquidity", { type: "liquidity:update", priority: "high" }],
  ["update", { type: "token:update", priority: "high" }],
  ["balances", { type: "balances:update", priority: "critical" }],
  ["creation", { type: "token:created", priority: "medium" }],
  ["social", { type: "social:update", priority: "medium" }],
  ["comment", { type: "comment:update", priority: "medium" }],
  ["metadata", { type: "metadata:update", priority: "low" }],
  ["favorites", { type: "favorites:update", priority: "low" }],
  ["analytics", { type: "analytics:update", priority: "low" }],
  ["trending", { type: "trending:update", priority: "medium" }],
  ["new_listing", { type: "listing:new", priority: "medium" }],
]);

/** True for an event that the protocol names; others pass too, but share one label in the metrics. */
export const isKnownEvent = (event: string): boolean => KINDS.has(event);

/** Type and priority of an event; one that is not known travels as `{event}:update`, medium. */
export function kindOf(event: string): Kind {
  return KINDS.get(event) ?? { type: `${event}:update`, priority: "medium" };
}
