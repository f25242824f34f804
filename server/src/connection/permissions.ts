/** The channels that a token allows. */

import { patternsOf } from "@odin-ws/protocol";

/**
 * Returns whether the bearer of a token may subscribe to a channel or pattern. A set makes this cheap for
 * tokens with hundreds of channels: a channel is allowed by its own name or by one of three patterns.
 *
 * @param allowed channels and patterns in short form; undefined: everything is allowed
 */
export function permission(allowed: readonly string[] | undefined): (wanted: string) => boolean {
  if (allowed === undefined) return () => true;
  const names = new Set(allowed);
  return (wanted) => names.has(wanted) || patternsOf(wanted).some((pattern) => names.has(pattern));
}
