import * as gcp from "@pulumi/gcp";
import type * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/**
 * Reserves an address of the subnet that stays when the VM behind it is replaced. The address has no fixed
 * name in the cloud, because instance templates contain the address: a replacement must be able to exist
 * before the old address is deleted, and two resources cannot have the same name.
 *
 * @param role role for the labels
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
