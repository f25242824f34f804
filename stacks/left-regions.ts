/** The regions that the stack has since its last update, as the stack's state has them. */

import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config/config.ts";

// A function of the engine itself, see kept-image.ts.
const RESOURCES = "pulumi:pulumi:readStackResourceOutputs";
const DRAIN = /::drain-([a-z]+-[a-z]+\d+)-group$/;

/**
 * Refuses to remove a region of prod that still has gateways. The engine would refuse too, because the group
 * is protected, but only after the region has left the entrance.
 *
 * @throws RunError with the commands that empty the region
 */
export async function refuseLostRegions({ site, stack, furtherRegions }: StackConfig): Promise<void> {
  if (!site.production) return;
  const stackName = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const { outputs } = await pulumi.runtime.invoke(RESOURCES, { stackName });
  const kept = new Set(furtherRegions.map(({ region }) => region));
  const lost = regionsWithGateways((outputs ?? {}) as Record<string, unknown>).filter(
    (region) => !kept.has(region),
  );
  if (lost.length > 0)
    throw new pulumi.RunError(
      `Pulumi.${stack}.yaml no longer has ${lost.join(", ")}, where gateways still have clients. Put the region back, empty it with ${lost.map((region) => `pulumi config set --path 'regions["${region}"].drain' true`).join(" and ")} and pulumi up, and then remove it`,
    );
}

/**
 * The regions with gateways, from a stack's resources by URN, as the engine gives them: those whose last
 * drain command did not drain.
 */
function regionsWithGateways(resources: Record<string, unknown>): string[] {
  return Object.entries(resources).flatMap(([urn, outputs]) => {
    const [, region] = DRAIN.exec(urn) ?? [];
    const { environment } = (outputs as { outputs?: { environment?: { DRAIN?: unknown } } }).outputs ?? {};
    return region === undefined || environment?.DRAIN === "true" ? [] : [region];
  });
}
