/**
 * `npm start`: the gateway with the demo page, open to everybody on this machine, with a simulated market unless NATS_URL or SOURCE say otherwise.
 * The page is built first when its sources have changed. Every setting can still be given in the environment.
 */

import { spawn } from "node:child_process";
import cluster from "node:cluster";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { readNoArguments } from "./arguments.ts";

const HELP = `npm start

Serves the demo page with its gateway at http://localhost:3004, open to everybody who reaches this machine, with a simulated market. Takes
no arguments: settings are environment variables, docs/settings.md lists them.

  NATS_URL=nats://localhost:4222 npm start    messages of a NATS server, for example those of 'npm run publish'
  WS_PORT=8080 OPS_PORT=8081 npm start        other ports`;

const BUILD = fileURLToPath(new URL("../../client/demo/build.ts", import.meta.url));
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const DEFAULTS = {
  AUTH_MODE: (process.env.JWT_SECRET ?? process.env.JWT_PUBLIC_KEY ?? process.env.JWKS_URL) ? "jwt" : "none",
  LOG_FORMAT: "pretty",
  WS_DRAIN_SECONDS: "0",
  // A market that is worth looking at.
  SIMULATOR_RATE: "80",
  // A page that reads slowly is to be seen recovering.
  WS_SEND_BUFFER_BYTES: "65536",
  WS_THROTTLE_RECOVERY_SECONDS: "5",
};
readNoArguments(process.argv.slice(2), HELP);
for (const [variable, value] of Object.entries(DEFAULTS)) process.env[variable] ??= value;
// Workers start here too, with what their primary has set.
if (cluster.isPrimary) process.env.DEMO_PAGE ??= await buildPage();

await import("./main.ts");

/** Returns the folder with the page. In a process of its own: what bundles must not stay in the gateway's memory. */
async function buildPage(): Promise<string> {
  const child = spawn(process.execPath, [BUILD], { stdio: ["ignore", "pipe", "inherit"] });
  let stopped = false;
  // Nothing serves yet, so there is nothing to drain; but the build must be gone first.
  const stop = () => {
    stopped = true;
    child.kill();
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  const [folder, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (stopped) process.exit(0);
  for (const signal of SIGNALS) process.off(signal, stop);
  if (code === 0) return folder;
  process.stderr.write(
    "odin-ws: the demo page could not be built (see above). Run npm ci, or set DEMO_PAGE to a folder with a page that is built\n",
  );
  process.exit(1);
}
