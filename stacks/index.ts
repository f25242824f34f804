/**
 * The Pulumi program. `pulumi up` calls its default export, and `npm run preview` calls the same export
 * offline.
 */

import * as pulumi from "@pulumi/pulumi";
import { capacityTest } from "./capacity-test.ts";
import { readConfig } from "./config/config.ts";
import { alertGaps } from "./monitoring/alert-receivers.ts";
import { service } from "./service.ts";

/** Creates the resources of the stack, and returns its outputs. */
export default function program(): Record<string, unknown> {
  const config = readConfig();
  if (config.kind === "service" && config.site.production)
    for (const line of alertGaps(config)) pulumi.log.warn(line);
  return config.kind === "service" ? service(config) : capacityTest(config);
}
