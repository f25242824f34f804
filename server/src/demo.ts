/**
 * `npm start`: runs the gateway with the demo page. Clients need no token unless a key for tokens is set, and
 * the source is a simulated market unless NATS_URL or SOURCE is set. The page is built first when its sources
 * have changed. The environment can still change every setting.
 */

import { spawn } from "node:child_process";
import cluster from "node:cluster";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { exitCodeOf, untilSignal } from "@odin-ws/settings/signals";
import { readNoArguments } from "./arguments.ts";

const COMMAND = {
  name: "npm start",
  about: `Serves the demo page with its gateway at http://localhost:3004, with a simulated market. Everybody who can
reach this machine can use it. Takes no arguments. Settings are environment variables; docs/settings.md
lists them.

  NATS_URL=nats://localhost:4222 npm start    messages of a NATS server, for example from 'npm run publish'
  WS_PORT=8080 OPS_PORT=8081 npm start        other ports`,
};

const BUILD = fileURLToPath(new URL("../../client/demo/build.ts", import.meta.url));
const DEFAULTS = {
  AUTH_MODE: (process.env.JWT_SECRET ?? process.env.JWT_PUBLIC_KEY ?? process.env.JWKS_URL) ? "jwt" : "none",
  LOG_FORMAT: "pretty",
  // A load test beside the demo would fill the terminal.
  LOG_CONNECTIONS_PER_SECOND: "2",
  WS_DRAIN_SECONDS: "0",
  // Busy enough to be interesting to watch.
  SIMULATOR_RATE: "80",
  // A page that reads slowly is throttled and recovers within seconds, so that a viewer can watch this.
  WS_SEND_BUFFER_BYTES: "65536",
  WS_THROTTLE_RECOVERY_SECONDS: "5",
};
readNoArguments(process.argv.slice(2), COMMAND);
for (const [variable, value] of Object.entries(DEFAULTS)) process.env[variable] ??= value;
// Workers start here too, with the environment of their primary.
if (cluster.isPrimary) process.env.DEMO_PAGE ??= await buildPage();

await import("./main.ts");

/**
 * Builds the page and returns its folder. Uses another process, so that the bundler does not stay in memory.
 */
async function buildPage(): Promise<string> {
  const child = spawn(process.execPath, [BUILD], { stdio: ["ignore", "pipe", "inherit"] });
  const endRequest = untilSignal({
    endAtOnce: (signal) => {
      child.kill("SIGKILL");
      process.exit(exitCodeOf(signal));
    },
  });
  // There are no clients to drain yet, but the build must end before this process does.
  void endRequest.signal.then(() => child.kill());
  const [folder, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  if (endRequest.aborted.aborted) process.exit(0);
  endRequest.dispose();
  if (code === 0) return folder;
  process.stderr.write(
    "odin-ws: the demo page could not be built (see above). Run npm ci, or set DEMO_PAGE to a folder with a built page\n",
  );
  process.exit(1);
}
