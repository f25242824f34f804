/** The states of a connection in words. */

import type { State } from "../../src/index.ts";

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

export const stateOf = ({ state }: { state: State }): Description => STATES[state];
