/** The parts of the page in which each event of the protocol is shown. */

import { EVENTS, type EventName, GLOBAL } from "@odin-ws/protocol";

/**
 * `table`: updates the table of tokens and the figures of the chosen token. `activity`: has a tab below the
 * chosen token.
 */
type Part = "table" | "activity";

// A new event of the protocol needs a row here: without the row the type check fails.
const SHOWN_IN = {
  trade: ["table", "activity"],
  liquidity: ["table", "activity"],
  update: ["table"],
  balances: [],
  creation: [],
  social: [],
  comment: ["activity"],
  metadata: [],
  favorites: [],
  analytics: [],
  trending: ["table"],
  new_listing: [],
} as const satisfies Record<EventName, readonly Part[]>;

type Shown = typeof SHOWN_IN;
type EventIn<Wanted extends Part> = {
  [Event in keyof Shown]: Wanted extends Shown[Event][number] ? Event : never;
}[keyof Shown];

const eventsIn = <Wanted extends Part>(part: Wanted) =>
  (Object.keys(SHOWN_IN) as (keyof Shown)[]).filter((event): event is EventIn<Wanted> =>
    (SHOWN_IN[event] as readonly Part[]).includes(part),
  );

/** Channels and patterns that the table subscribes to. */
export const TABLE_CHANNELS: readonly string[] = eventsIn("table").map((event) =>
  EVENTS[event].scope === "global" ? `${GLOBAL}.${event}` : `*.${event}`,
);

export type ActivityEvent = EventIn<"activity">;
/** Events that have a tab, in the order of the tabs. */
export const ACTIVITY_EVENTS: readonly ActivityEvent[] = eventsIn("activity");
