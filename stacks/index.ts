/**
 * The Pulumi program. `pulumi up` calls its default export, and `npm run preview` calls the same export
 * offline.
 */

import * as pulumi from "@pulumi/pulumi";
import { capacityTest } from "./capacity-test.ts";
import { readConfig } from "./config/config.ts";
import { keptImage } from "./kept-image.ts";
import { refuseLostRegions } from "./left-regions.ts";
import { alertGaps, whoIsNotified } from "./monitoring/alert-receivers.ts";
import { service } from "./service.ts";

/** Creates the resources of the stack, and returns its outputs. */
export default async function program(): Promise<Record<string, unknown>> {
  const config = readConfig();
  if (config.kind !== "service") return capacityTest(config);
  await refuseLostRegions(config);
  if (pulumi.runtime.isDryRun())
    pulumi.log.info(
      `who is notified of what:\n${whoIsNotified((key) => config[key] !== undefined)
        .map((line) => `  ${line}`)
        .join("\n")}`,
    );
  if (config.site.production) for (const line of alertGaps(config)) pulumi.log.warn(line);
  const kept = config.serverImage === undefined ? await keptImage() : undefined;
  if (kept) pulumi.log.info(keeps(kept.image));
  return service(config, kept);
}

const keeps = (image: string) =>
  `the gateways keep the image ${image}, because serverImage is not set. To deploy the image of this checkout: pulumi config set serverImage build`;
