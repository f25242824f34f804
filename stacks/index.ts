/** The Pulumi program: `pulumi up` calls its default export, and so does `npm run preview`, offline. */

import { capacityTest } from "./capacity-test.ts";
import { readConfig } from "./config.ts";
import { service } from "./service.ts";

/** Creates the stack of the configuration and returns its outputs. */
export default function program(): Record<string, unknown> {
  const config = readConfig();
  return config.kind === "service" ? service(config) : capacityTest(config);
}
