import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link WssAddress}. */
export interface WssAddressArgs {
  site: Site;
}

/**
 * The public address of the entrance for `wss://`. It is a component apart from the entrance: the load
 * balancer writes this address at the end of X-Forwarded-For, so the gateways must know the address before
 * they start, while the entrance needs the gateways' instance group.
 *
 * The address has no fixed name in the cloud, because the gateways' instance template contains the address: a
 * replacement must be able to exist before the old address is deleted.
 */
export class WssAddress extends pulumi.ComponentResource {
  /** IPv4 address. */
  readonly address: pulumi.Output<string>;

  /** @param name logical name of the component and its address */
  constructor(name: string, { site }: WssAddressArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:WssAddress", name, {}, opts);
    const { address } = new gcp.compute.GlobalAddress(
      name,
      {
        project: site.project,
        description: "wss:// clients",
        addressType: "EXTERNAL",
        ipVersion: "IPV4",
        labels: roleLabels(site, "wss-entrance"),
      },
      { parent: this, protect: site.production },
    );
    this.address = address;
    this.registerOutputs({ address });
  }
}
