/** Labels for the states of a connection. */

import type { State, Status } from "../../src/index.ts";

interface Description {
  label: string;
  tone: "good" | "warn" | "bad" | "plain";
}

const STATES: Record<State, Description> = {
  connecting: { label: "Connecting", tone: "warn" },
  open: { label: "Live", tone: "good" },
  waiting: { label: "Reconnecting", tone: "warn" },
  offline: { label: "Offline", tone: "bad" },
  paused: { label: "Paused", tone: "plain" },
  closed: { label: "Closed", tone: "bad" },
};
const THROTTLED: Description = { label: "Throttled", tone: "warn" };
const BEHIND: Description = { label: "Behind", tone: "warn" };

/** @param behind whether the arriving messages are too old to be called live */
export function stateOf(
  { state, throttle }: Pick<Status, "state" | "throttle">,
  behind: boolean,
): Description {
  if (state !== "open") return STATES[state];
  if (throttle > 0) return THROTTLED;
  return behind ? BEHIND : STATES.open;
}
