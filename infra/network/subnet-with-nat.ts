import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** One region's part of a network. */
export interface SubnetWithNatArgs {
  site: Site;
  /** Id of the network. */
  network: pulumi.Input<string>;
  /** Range of the subnet, see `NetworkArgs.cidr`. */
  cidr: string;
  /** See `NetworkArgs.natMinPortsPerVm`. */
  natMinPortsPerVm?: number | undefined;
  /** Name of the subnet, the router and the NAT in the cloud. */
  cloudName: string;
}

/**
 * Creates a subnet and a NAT, which is its only way out, as children of `parent`.
 *
 * @param name start of the logical names
 * @returns id of the subnet, known when the NAT exists too, so that a VM that starts in the subnet can
 * connect to the internet at once
 */
export function subnetWithNat(
  parent: pulumi.ComponentResource,
  name: string,
  args: SubnetWithNatArgs,
): pulumi.Output<string> {
  const { site, network, cidr, natMinPortsPerVm, cloudName } = args;
  const common = { name: cloudName, project: site.project, region: site.region };
  const subnet = new gcp.compute.Subnetwork(
    `${name}-subnet`,
    {
      ...common,
      network,
      description: `${site.prefix}: all machines`,
      ipCidrRange: cidr,
      privateIpGoogleAccess: true, // images, secrets, metrics and buckets are reached without the NAT
      // No flow logs: each of 50,000 clients would write a line every few seconds, which would be the most
      // expensive of all logs. The gateways' own metrics and logs already say who connected, when, and how
      // much was sent. To study one case, switch flow logs on for an hour in the console.
    },
    { parent },
  );
  const router = new gcp.compute.Router(
    `${name}-router`,
    { ...common, network, description: `${site.prefix}: carries the NAT` },
    { parent },
  );
  const nat = new gcp.compute.RouterNat(
    `${name}-nat`,
    {
      ...common,
      router: router.name,
      natIpAllocateOption: "AUTO_ONLY",
      sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
      // Explicitly off: endpoint-independent mapping excludes dynamic ports and runs out of ports sooner,
      // and only connections between peers need it.
      enableEndpointIndependentMapping: false,
      ...(natMinPortsPerVm === undefined
        ? {}
        : { enableDynamicPortAllocation: true, minPortsPerVm: natMinPortsPerVm }),
      logConfig: { enable: true, filter: "ERRORS_ONLY" }, // a line for each packet that found no port
    },
    { parent },
  );
  // Waits for the NAT by its input `router` and not by its id, because the input is known in previews:
  // otherwise a new NAT would make every VM look changed.
  return pulumi.all([subnet.id, nat.router]).apply(([id]) => id);
}
