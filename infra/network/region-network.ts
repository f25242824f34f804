import * as pulumi from "@pulumi/pulumi";
import { refuse } from "../argument-mistakes.ts";
import type { Site } from "../site.ts";
import { rangeMistake } from "./network.ts";
import { subnetWithNat } from "./subnet-with-nat.ts";

/** Arguments of {@link RegionNetwork}. */
export interface RegionNetworkArgs {
  /** The site in this region. */
  site: Site;
  /** Id of the network of the home region. */
  network: pulumi.Input<string>;
  /** Range of the region's subnet, which overlaps no other range of the network. */
  cidr: string;
}

/**
 * A further region of a network: its subnet, and a NAT as the only way out. The firewall rules of the network
 * hold here too, and VMs of all regions reach each other by their internal addresses, because subnets of one
 * network are routed to each other.
 */
export class RegionNetwork extends pulumi.ComponentResource {
  /** Id of the subnet, see {@link subnetWithNat}. */
  readonly subnetId: pulumi.Output<string>;

  /**
   * @param name for example `network-europe-west1`
   * @throws pulumi.InputPropertiesError for a range that is not allowed
   */
  constructor(name: string, args: RegionNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:RegionNetwork", name, {}, opts);
    const { site, network, cidr } = args;
    const reason = rangeMistake(cidr);
    refuse(
      `network of region "${name}"`,
      reason === undefined ? [] : [{ propertyPath: "cidr", reason: `is ${cidr}: ${reason}` }],
    );
    this.subnetId = subnetWithNat(this, name, { site, network, cidr, cloudName: `${site.prefix}-network` });
    this.registerOutputs({ subnetId: this.subnetId });
  }
}
