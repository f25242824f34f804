import assert from "node:assert/strict";

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Seconds of a duration in Prometheus's notation: `2m` is 120. */
export function secondsOf(duration: string): number {
  const [, count, unit] = /^(\d+)([smhd])$/.exec(duration) ?? [];
  assert.ok(unit, `"${duration}" is not a duration such as 30s or 2m`);
  return Number(count) * SECONDS[unit as keyof typeof SECONDS];
}
