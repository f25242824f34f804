import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link WssAddress}. */
export interface WssAddressArgs {
  site: Site;
}

/**
 * The address of the entrance for `wss://`, apart from it: the load balancer ends X-Forwarded-For with its own address, so the gateways
 * must know that before they start, while the entrance needs their group.
 *
 * It has no fixed name in the cloud: it is in the gateways' template, and what feeds a template must be replaceable before the old one
 * goes.
 */
export class WssAddress extends pulumi.ComponentResource {
  /** IPv4 address. */
  readonly address: pulumi.Output<string>;

  /** @param name the address's role in logical names */
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
