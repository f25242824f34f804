import type { Balance } from "./control.ts";

const MAX_EXAMPLES = 10;

/** What all workers together have found. */
export function addBalances(parts: readonly Balance[]): Balance {
  const sum = (of: (part: Balance) => number) => parts.reduce((total, part) => total + of(part), 0);
  return {
    lost: sum(({ lost }) => lost),
    losers: sum(({ losers }) => losers),
    announced: sum(({ announced }) => announced),
    slowAnnounced: sum(({ slowAnnounced }) => slowAnnounced),
    unexpected: sum(({ unexpected }) => unexpected),
    slowTold: sum(({ slowTold }) => slowTold),
    slowClosed: sum(({ slowClosed }) => slowClosed),
    examples: parts.flatMap(({ examples }) => examples).slice(0, MAX_EXAMPLES),
  };
}
