/** Starts the demo page with `npm start`, as a person does. */

import { strict as assert } from "node:assert";
import { get } from "./http.ts";
import { Metrics } from "./metrics.ts";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";
import { ProcessGroup } from "./process-group.ts";
import { eventually, within } from "./wait.ts";

/** Deadline for builds of the page and for browsers, which share two cores with other tests. */
export const PATIENCE_MS = 60_000; // 60 s

/** Selector of the rows of the token table. */
export const ROW = "#tokens .body .row";

export interface Demo {
  /** Address of the page. */
  url: string;
  /** Address of the WebSocket. */
  ws: string;
  script: ProcessGroup;
  metrics(): Promise<Metrics>;
}

/** Runs npm with these arguments and with this process's environment plus `env`. */
export function npm(owner: Owner, args: readonly string[], env: Record<string, string>): ProcessGroup {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([, value]) => value !== undefined),
  );
  const script = new ProcessGroup("npm", args, { ...(inherited as Record<string, string>), ...env });
  owner.after(() => script.dispose());
  return script;
}

/** Sends SIGINT, as Ctrl-C does, and asserts that npm exits with 0 and leaves no process. */
export async function end(script: ProcessGroup): Promise<void> {
  script.signal("SIGINT");
  const { code } = await within("the end of a script", script.exited, PATIENCE_MS);
  assert.equal(code, 0, script.output);
  await eventually("no process left", () => script.processes().length === 0);
}

/** Runs `npm start` on free ports and waits until the gateway is healthy. */
export async function startDemo(owner: Owner, env: Record<string, string> = {}): Promise<Demo> {
  const [port, ops] = [await freePort(), await freePort()];
  // Raises the CPU limit, because the browser and the tests keep both cores busy. Only the tests of admission
  // may see an overload.
  const quiet = { WS_CPU_LIMIT: "64", WS_PORT: String(port), OPS_PORT: String(ops) };
  const script = npm(owner, ["start"], { ...quiet, ...env });
  const metrics = async () => new Metrics((await get(`http://127.0.0.1:${ops}/metrics`)).body);
  await eventually(
    () => `a healthy gateway:\n${script.tail()}`,
    async () => {
      if (script.exit !== undefined) return true;
      return (await get(`http://127.0.0.1:${ops}/health`).catch(() => undefined))?.status === 200;
    },
    PATIENCE_MS,
  );
  assert.equal(script.exit, undefined, script.output);
  return { url: `http://127.0.0.1:${port}/`, ws: `ws://127.0.0.1:${port}/ws`, script, metrics };
}
