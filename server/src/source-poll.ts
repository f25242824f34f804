// placeholder until the real one lands
import type { Log } from "./log.ts";
import type { Source } from "./source.ts";
export function pollSource(_: { url: string; intervalMs: number; log?: Log }): Source {
  return async () => {};
}
