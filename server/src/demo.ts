/**
 * `npm start`: the gateway with the demo page, open to everybody on this machine, with a simulated market unless NATS_URL or SOURCE say otherwise.
 * Every setting can still be given in the environment.
 */

import { fileURLToPath } from "node:url";

const DEFAULTS = {
  AUTH_MODE: (process.env.JWT_SECRET ?? process.env.JWT_PUBLIC_KEY ?? process.env.JWKS_URL) ? "jwt" : "none",
  LOG_FORMAT: "pretty",
  WS_DRAIN_SECONDS: "0",
  DEMO_PAGE: fileURLToPath(new URL("../../client/demo", import.meta.url)),
};
for (const [variable, value] of Object.entries(DEFAULTS)) process.env[variable] ??= value;

await import("./main.ts");
