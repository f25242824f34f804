import * as pulumi from "@pulumi/pulumi";
import { internalAddress } from "../network/internal-address.ts";
import { PORTS } from "../ports.ts";
import { Secret } from "../project/secret.ts";
import type { Site } from "../site.ts";
import { configBucketName } from "./config-bucket.ts";
import { HOME_DOMAIN, type NatsConnection, type NatsHome, type SelfHostedArgs } from "./nats.ts";
import { urls } from "./nats-publishers.ts";
import { Vm } from "./vm.ts";

/** Arguments of {@link NatsMirror}. */
export interface NatsMirrorArgs
  extends Pick<
    SelfHostedArgs,
    | "gateway"
    | "subnet"
    | "account"
    | "image"
    | "machineType"
    | "cosImage"
    | "diskGb"
    | "startupCheck"
    | "logs"
  > {
  /** The site in this region. */
  site: Site;
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
    const { site, homeSite, zone, subnet, account, home, logs } = args;
    const address = internalAddress(`${name}-address`, { site, subnet, role: "nats" }, this);
    const identity = home.authority.server(name, address);
    const secret = (
      label: string,
      value: pulumi.Input<string>,
      accessors: Record<string, pulumi.Input<string>>,
    ) => new Secret(label, { site, value: pulumi.secret(value), accessors }, { parent: this }).version;
    const key = secret(`${name}-server-key`, identity.key, { nats: account.member });
    const vm = new Vm(
      name,
      {
        site,
        subnet,
        address,
        zone,
        machineType: args.machineType,
        cosImage: args.cosImage,
        account: account.email,
        dataDisk: { sizeGb: args.diskGb, snapshots: false },
        startupCheck: args.startupCheck,
        boot: {
          role: "nats",
          images: { nats: args.image, ...(logs ? { alloy: logs.image } : {}) },
          secrets: { ...home.logins, "file-nats-server-key": key },
          files: { "nats-ca": home.authority.ca, "nats-server-cert": identity.certificate },
          settings: {
            "nats-name": `${site.prefix}-nats`,
            "nats-ordinal": "0",
            "nats-peers": "",
            "nats-domain": site.region,
            "nats-home": pulumi.all(home.addresses).apply((known) => known.join(" ")),
            ...(logs ? { "config-bucket": configBucketName(homeSite), "loki-url": logs.lokiUrl } : {}),
          },
        },
      },
      { parent: this },
    );
    this.connection = {
      environment: {
        NODE_EXTRA_CA_CERTS: "/run/odin/files/nats-ca",
        JS_REPLICAS: "1",
        JS_HOME_DOMAIN: HOME_DOMAIN,
      },
      secrets: {
        "env-NATS_URL": secret(`${name}-gateway-url`, urls("gateway", home.gatewayPassword, [address]), {
          gateway: args.gateway,
        }),
      },
      files: { "nats-ca": home.authority.ca },
    };
    this.address = pulumi.interpolate`${address}:${PORTS.nats}`;
    this.server = { label: name, selfLink: vm.selfLink, zone };
    this.monitoring = pulumi.interpolate`${address}:${PORTS.natsMonitoring}`;
    this.registerOutputs({ address: this.address, monitoring: this.monitoring });
  }
}
