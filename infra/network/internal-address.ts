import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/**
 * An address of the subnet that stays when the VM behind it is replaced. It has no fixed name in the cloud: others hold it in their
 * templates, and what feeds a template must be replaceable before the old one goes.
 *
 * @param role for the labels
 */
export function internalAddress(
  name: string,
  { site, subnet, role }: { site: Site; subnet: pulumi.Input<string>; role: string },
  parent: pulumi.Resource,
): pulumi.Output<string> {
  return new gcp.compute.Address(
    name,
    {
      addressType: "INTERNAL",
      purpose: "GCE_ENDPOINT",
      subnetwork: subnet,
      project: site.project,
      region: site.region,
      labels: roleLabels(site, role),
    },
    { parent, protect: site.production },
  ).address;
}
