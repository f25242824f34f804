/** The Pulumi program: `pulumi up` calls its default export, and so does `npm run preview`, offline. */

import * as pulumi from "@pulumi/pulumi";
import { capacityTest } from "./capacity-test.ts";
import { readConfig } from "./config.ts";
import { service } from "./service.ts";

/** Creates the stack of the configuration and returns its outputs. */
export default function program(): Record<string, unknown> {
  const config = readConfig();
  if (config.kind === "service" && config.site.production && !config.alertEmail && !config.alertWebhook)
    pulumi.log.warn(
      `nobody is told when ${config.stack} is down: pulumi config set alertEmail ops@example.com --stack ${config.stack}, or --secret alertWebhook`,
    );
  return config.kind === "service" ? service(config) : capacityTest(config);
}
