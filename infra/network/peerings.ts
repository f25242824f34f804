import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** Full name of a VPC network: `projects/PROJECT/global/networks/NAME`. */
export const NETWORK_NAME =
  /^projects\/([a-z][a-z0-9-]{4,28}[a-z0-9])\/global\/networks\/([a-z][a-z0-9-]{0,61}[a-z0-9])$/;

/** Arguments of {@link Peerings}. */
export interface PeeringsArgs {
  site: Site;
  /** Id of this stack's network. */
  network: pulumi.Input<string>;
  /** Networks to connect, as {@link NETWORK_NAME}. Their ranges must not overlap with this network's. */
  peers: string[];
}

/**
 * Connects the stack's network with networks of backends. A peering works when both sides have created it.
 * Google exchanges the routes of all subnets, also of secondary ranges, which pods of GKE use. Firewall rules
 * still decide what may come in. A peering costs nothing.
 */
export class Peerings extends pulumi.ComponentResource {
  constructor(name: string, args: PeeringsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Peerings", name, {}, opts);
    const { site, network, peers } = args;
    for (const peer of peers) {
      const [, project = "", theirs = ""] = NETWORK_NAME.exec(peer) ?? [];
      const cloudName = `${site.prefix}-${project}-${theirs}`.slice(0, 63).replace(/-+$/, "");
      new gcp.compute.NetworkPeering(
        `${name}-${project}-${theirs}`,
        { name: cloudName, network, peerNetwork: `https://www.googleapis.com/compute/v1/${peer}` },
        { parent: this },
      );
    }
    this.registerOutputs({});
  }
}
