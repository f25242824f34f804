/** The demo page as a person starts it. */

import { strict as assert } from "node:assert";
import { get } from "./http.ts";
import { Metrics } from "./metrics.ts";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";
import { ProcessGroup } from "./process-group.ts";
import { eventually, within } from "./wait.ts";

/** A build of the page and a browser share two cores with other tests. */
export const PATIENCE = 60_000; // 60 s

/** A row that is there and has a price. */
export const ROW = "#tokens .body .row";

export interface Demo {
  /** Of the page. */
  url: string;
  /** Of the WebSocket. */
  ws: string;
  script: ProcessGroup;
  metrics(): Promise<Metrics>;
}

/** Runs a script of package.json as a person would. */
export function npm(owner: Owner, args: readonly string[], env: Record<string, string>): ProcessGroup {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([, value]) => value !== undefined),
  );
  const script = new ProcessGroup("npm", args, { ...(inherited as Record<string, string>), ...env });
  owner.after(() => script.dispose());
  return script;
}

/** Ends it as npm's own Ctrl-C does: it must leave nothing, and without complaint. */
export async function end(script: ProcessGroup): Promise<void> {
  script.signal("SIGINT");
  const { code } = await within("the end of a script", script.exited, PATIENCE);
  assert.equal(code, 0, script.output);
  await eventually("no process left", () => script.processes().length === 0);
}

/** `npm start` on ports of its own, once it is healthy. */
export async function startDemo(owner: Owner, env: Record<string, string> = {}): Promise<Demo> {
  const [port, ops] = [await freePort(), await freePort()];
  // Only the tests of admission may see an overload: the browser and the tests take both cores.
  const quiet = { WS_CPU_LIMIT: "64", WS_PORT: String(port), OPS_PORT: String(ops) };
  const script = npm(owner, ["start"], { ...quiet, ...env });
  const metrics = async () => new Metrics((await get(`http://127.0.0.1:${ops}/metrics`)).body);
  await eventually(
    () => `a healthy gateway:\n${script.tail()}`,
    async () => {
      if (script.exit !== undefined) return true;
      return (await get(`http://127.0.0.1:${ops}/health`).catch(() => undefined))?.status === 200;
    },
    PATIENCE,
  );
  assert.equal(script.exit, undefined, script.output);
  return { url: `http://127.0.0.1:${port}/`, ws: `ws://127.0.0.1:${port}/ws`, script, metrics };
}
