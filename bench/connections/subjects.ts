/** The channels of the viewers: a part of them, the audience, gets each message; all are subscribed. */

/** Every message goes to this channel. */
export const MESSAGE_CHANNEL = "BENCH.trade";
export const MESSAGE_SUBJECT = "odin.token.BENCH.trade";
/** Channels without messages. Each viewer has five channels. */
export const QUIET_CHANNELS: readonly string[] = [
  "QUIET.trade",
  "QUIET.liquidity",
  "QUIET.metadata",
  "QUIET.social",
  "QUIET.comment",
];

/** Spreads exactly `audience` of `viewers` evenly over their numbers. */
export function isInAudience(
  number: number,
  { viewers, audience }: { viewers: number; audience: number },
): boolean {
  if (viewers === 0) return false;
  return (number * audience) % viewers < audience;
}
