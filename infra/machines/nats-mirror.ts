import * as pulumi from "@pulumi/pulumi";
import { internalAddress } from "../network/internal-address.ts";
import { PORTS } from "../ports.ts";
import type { Site } from "../site.ts";
import { HOME_DOMAIN, type NatsHome } from "./nats.ts";
import { urls } from "./nats-publishers.ts";
import {
  connectionTo,
  type NatsConnection,
  type NatsServerArgs,
  natsServer,
  secretVersion,
} from "./nats-server.ts";

/** Arguments of {@link NatsMirror}. `site` is the site in this region. */
export interface NatsMirrorArgs extends NatsServerArgs {
  /** See `SelfHostedArgs.gateway`. */
  gateway: pulumi.Input<string>;
  /** The site of the home region, which has the bucket of configuration files. */
  homeSite: Site;
  zone: string;
  /** The servers of the home region. */
  home: NatsHome;
}

/**
 * The NATS server of a region beside the home region. It is a leaf node of the home region's servers with a
 * JetStream of its own, in which the region's gateways create a mirror of the stream. The data have no
 * snapshots, because the home region has them.
 */
export class NatsMirror extends pulumi.ComponentResource {
  /** Boot arguments that the region's gateways need, instead of those of the home region. */
  readonly connection: NatsConnection;
  readonly server: { label: string; selfLink: pulumi.Output<string>; zone: string };
  /** `ADDRESS:4222`: a publisher of the region uses it in its NATS_URL, with its login. */
  readonly address: pulumi.Output<string>;
  /** `ADDRESS:8222` of the server's monitoring endpoint. */
  readonly monitoring: pulumi.Output<string>;

  /**
   * @param name for example `nats-europe-west1`; the prefix of the region's site comes before it in the cloud
   */
  constructor(name: string, args: NatsMirrorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:NatsMirror", name, {}, opts);
    const { site, zone, subnet, home } = args;
    const address = internalAddress(`${name}-address`, { site, subnet, role: "nats" }, this);
    const vm = natsServer(this, name, args, {
      zone,
      address,
      authority: home.authority,
      logins: home.logins,
      settings: {
        "nats-name": `${site.prefix}-nats`,
        "nats-ordinal": "0",
        "nats-peers": "",
        "nats-domain": site.region,
        "nats-home": pulumi.all(home.addresses).apply((known) => known.join(" ")),
      },
      configSite: args.homeSite,
      snapshots: false,
    });
    const url = urls("gateway", home.gatewayPassword, [address]);
    this.connection = connectionTo(
      home.authority,
      secretVersion(this, `${name}-gateway-url`, site, url, { gateway: args.gateway }),
      { JS_REPLICAS: "1", JS_HOME_DOMAIN: HOME_DOMAIN },
    );
    this.address = pulumi.interpolate`${address}:${PORTS.nats}`;
    this.server = { label: name, selfLink: vm.selfLink, zone };
    this.monitoring = pulumi.interpolate`${address}:${PORTS.natsMonitoring}`;
    this.registerOutputs({ address: this.address, monitoring: this.monitoring });
  }
}
