/** What the checks of a run have in common. */

import type { Options } from "../settings/options.ts";
import type { DeliverySummary } from "../worker-messages.ts";
import type { Check, Result } from "./result.ts";

/** What the checks need. */
export interface Evidence {
  options: Options;
  result: Omit<Result, "checks" | "outcome">;
  summary: DeliverySummary;
  /** Texts about messages that differ between workers. */
  conflicts: readonly string[];
  /** Open clients that did not receive everything by the end. */
  unsettled: number;
  /** Ctrl-C. What had not begun by then cannot be judged. */
  stopped: boolean;
  /** Subscribers of each channel that the load test publishes on. */
  subscribers: number;
  /** What went wrong with the command of `--kill`. */
  commandFailures: readonly string[];
  feedFailures: { count: number; first: string };
  counts: CountComparison | string;
}

/**
 * The gateways' count of sent messages, and the load test's own count before and after the gateways were
 * read. When the counts cannot be compared, the checks get a text instead, which says why.
 */
export interface CountComparison {
  gateway: number;
  least: number;
  most: number;
}

export const STOPPED = "the run was stopped before this could be checked";
export const NOTHING_DELIVERED = "no message was delivered";

export const formatNumber = (value: number): string =>
  value.toLocaleString("en-US", { maximumFractionDigits: 2 });

export const formatMs = (value: number): string =>
  value >= 1000 ? `${formatNumber(value / 1000)} s` : `${formatNumber(value)} ms`;

export function check(name: string, ok: boolean, text: string): Check {
  return { name, outcome: ok ? "passed" : "failed", text };
}

export const skipped = (name: string, reason: string): Check => ({ name, outcome: "skipped", text: reason });
