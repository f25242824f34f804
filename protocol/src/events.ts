/**
 * The events of the stream: one row each. Names, types and priorities everywhere else derive from this table.
 */

/** Lowest first: a throttled or overloaded gateway drops in this order. */
export const PRIORITIES = ["low", "medium", "high", "critical"] as const;
export type Priority = (typeof PRIORITIES)[number];

export const isPriority = (text: unknown): text is Priority =>
  (PRIORITIES as readonly unknown[]).includes(text);

/** Headers that a publisher may set on a NATS message. */
export const HEADER = { type: "Odin-Type", priority: "Odin-Priority", messageId: "Nats-Msg-Id" } as const;

/**
 * The type and the priority with which an event reaches clients, unless the publisher's headers override
 * them.
 */
interface Kind {
  type: string;
  priority: Priority;
}

interface Row extends Kind {
  /**
   * `token`: published once per token, on `{SYMBOL}.{EVENT}`. `global`: for the whole market, on
   * `global.{EVENT}`.
   */
  scope: "token" | "global";
}

/**
 * Every event that the protocol names. PROTOCOL.md shows this table in the same order, and a test compares
 * both. A new row makes the type check or a test fail in each place that must know the event.
 */
export const EVENTS = {
  trade: { scope: "token", type: "price:update", priority: "high" },
  liquidity: { scope: "token", type: "liquidity:update", priority: "high" },
  update: { scope: "token", type: "token:update", priority: "high" },
  balances: { scope: "token", type: "balances:update", priority: "critical" },
  creation: { scope: "token", type: "token:created", priority: "medium" },
  social: { scope: "token", type: "social:update", priority: "medium" },
  comment: { scope: "token", type: "comment:update", priority: "medium" },
  metadata: { scope: "token", type: "metadata:update", priority: "low" },
  favorites: { scope: "token", type: "favorites:update", priority: "low" },
  analytics: { scope: "token", type: "analytics:update", priority: "low" },
  trending: { scope: "global", type: "trending:update", priority: "medium" },
  new_listing: { scope: "global", type: "listing:new", priority: "medium" },
} as const satisfies Record<string, Row>;

export type EventName = keyof typeof EVENTS;
type EventOf<Scope extends Row["scope"]> = {
  [Event in EventName]: (typeof EVENTS)[Event]["scope"] extends Scope ? Event : never;
}[EventName];
export type TokenEvent = EventOf<"token">;
export type GlobalEvent = EventOf<"global">;

const names = Object.keys(EVENTS) as EventName[];
export const TOKEN_EVENTS: readonly TokenEvent[] = names.filter(
  (event): event is TokenEvent => EVENTS[event].scope === "token",
);
export const GLOBAL_EVENTS: readonly GlobalEvent[] = names.filter(
  (event): event is GlobalEvent => EVENTS[event].scope === "global",
);

// A map, because event names come from outside: "toString" must not find a property of Object.prototype.
const KINDS: ReadonlyMap<string, Kind> = new Map(
  Object.entries(EVENTS).map(([event, { type, priority }]) => [event, { type, priority }]),
);

/** True for an event of EVENTS. Other events pass too, but share one label in the metrics. */
export const isKnownEvent = (event: string): boolean => KINDS.has(event);

/**
 * The type and priority of an event. An event that EVENTS does not name has type `{event}:update` and
 * priority medium.
 */
export function kindOf(event: string): Kind {
  return KINDS.get(event) ?? { type: `${event}:update`, priority: "medium" };
}
