import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { refuse } from "../argument-mistakes.ts";
import { internalAddress } from "../network/internal-address.ts";
import { PORTS } from "../ports.ts";
import { Secret } from "../project/secret.ts";
import type { Site } from "../site.ts";
import { NatsTls } from "./nats-tls.ts";
import { Vm } from "./vm.ts";

interface CommonArgs {
  site: Site;
  /** IAM member of the gateways' account: the only one that may read how to connect. */
  gateway: pulumi.Input<string>;
}

/** NATS as a service of Synadia: no machine of ours. */
export interface SynadiaArgs extends CommonArgs {
  mode: "synadia";
  /** Default `tls://connect.ngs.global:4222`. */
  url?: string;
  /** Content of the account's .creds file. */
  credentials: pulumi.Input<string>;
}

/** NATS on our own VMs: one, or three in three zones of which one may be missing. */
export interface SelfHostedArgs extends CommonArgs {
  mode: "single" | "cluster";
  /** `single` uses the first; `cluster` needs three different ones. */
  zones: string[];
  subnet: pulumi.Input<string>;
  /** Service account of the NATS VMs. */
  account: { email: pulumi.Input<string>; member: pulumi.Input<string> };
  /** Container image, by digest or exact tag. */
  image: pulumi.Input<string>;
  machineType: string;
  /** Exact image of project cos-cloud. */
  cosImage: string;
  /** GB of each VM's data disk; the stream takes 0.05. */
  diskGb: number;
  /** Daily snapshots of the data disks. */
  snapshots: boolean;
  /** As {@link Vm} takes it. */
  startupCheck?: string;
}

/** Arguments of {@link Nats}. */
export type NatsArgs = SynadiaArgs | SelfHostedArgs;

/** What a gateway has to be started with to reach NATS; parts of its boot arguments. */
export interface NatsConnection {
  environment: Record<string, pulumi.Input<string>>;
  secrets: Record<string, pulumi.Input<string>>;
  files: Record<string, pulumi.Input<string>>;
}

/** Where the messages come from. */
export class Nats extends pulumi.ComponentResource {
  readonly connection: NatsConnection;
  /** Secret. For a publisher's NATS_URL; with Synadia it has its own credentials. */
  readonly publisherUrl: pulumi.Output<string>;
  /** What publishers have to trust, as PEM; empty with Synadia, whose certificates are publicly trusted. */
  readonly ca: pulumi.Output<string>;
  /** `ADDRESS:8222` of each server's monitoring endpoint; empty with Synadia. */
  readonly monitoring: pulumi.Output<string>[];

  /** @throws InputPropertiesError when a cluster has not three different zones, or a single server none */
  constructor(name: string, args: NatsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Nats", name, {}, opts);
    if (args.mode === "synadia") {
      const { url = "tls://connect.ngs.global:4222" } = args;
      const credentials = secret(this, `${name}-credentials`, args, args.credentials, {
        gateway: args.gateway,
      });
      this.connection = {
        environment: {
          NATS_URL: url,
          NATS_CREDS_FILE: "/run/odin/secrets/nats-creds",
          JS_REPLICAS: "3", // Synadia restarts servers; a stream with one replica is away meanwhile
        },
        secrets: { "file-nats-creds": credentials },
        files: {},
      };
      this.publisherUrl = pulumi.output(url);
      this.ca = pulumi.output("");
      this.monitoring = [];
    } else {
      const servers = selfHosted(this, name, args);
      this.connection = {
        environment: {
          NODE_EXTRA_CA_CERTS: "/run/odin/files/nats-ca",
          JS_REPLICAS: String(servers.addresses.length),
        },
        secrets: {
          "env-NATS_URL": secret(this, `${name}-gateway-url`, args, servers.urls("gateway"), {
            gateway: args.gateway,
          }),
        },
        files: { "nats-ca": servers.ca },
      };
      this.publisherUrl = servers.urls("publisher");
      this.ca = servers.ca;
      this.monitoring = servers.addresses.map(
        (address) => pulumi.interpolate`${address}:${PORTS.natsMonitoring}`,
      );
    }
    this.registerOutputs({ publisherUrl: this.publisherUrl, ca: this.ca, monitoring: this.monitoring });
  }
}

type User = "gateway" | "publisher" | "cluster";

interface Servers {
  addresses: pulumi.Output<string>[];
  ca: pulumi.Output<string>;
  /** Comma-separated, with user and password: secret. */
  urls(user: "gateway" | "publisher"): pulumi.Output<string>;
}

/**
 * Three VMs change one after the other: each waits for the start-up check of the one before. No VM's metadata holds what changes when
 * another VM is replaced: addresses are reserved, certificates belong to addresses.
 */
function selfHosted(parent: Nats, name: string, args: SelfHostedArgs): Servers {
  const { site, subnet, account } = args;
  const single = args.mode === "single";
  const users: User[] = single ? ["gateway", "publisher"] : ["gateway", "publisher", "cluster"];
  const passwords = new Map(users.map((user) => [user, password(parent, `${name}-${user}`)]));
  const secrets = Object.fromEntries(
    [...passwords].map(([user, value]) => [
      `file-nats-${user}-password`,
      secret(parent, `${name}-${user}-password`, args, value, { nats: account.member }),
    ]),
  );
  const authority = new NatsTls(`${name}-tls`, { owner: site.prefix }, { parent });
  const servers = zonesOf(args).map((zone, ordinal) => {
    const label = single ? name : `${name}-${ordinal}`;
    const address = internalAddress(`${label}-address`, { site, subnet, role: "nats" }, parent);
    return { label, ordinal, zone, address };
  });
  const addresses = servers.map(({ address }) => address);
  const peers = pulumi
    .all(single ? [] : addresses)
    .apply((known) => known.map((address) => `${address}:${PORTS.natsCluster}`).join(" "));
  let previous: Vm | undefined;
  for (const { label, ordinal, zone, address } of servers) {
    const identity = authority.server(label, address);
    const key = secret(parent, `${label}-server-key`, args, identity.key, { nats: account.member });
    previous = new Vm(
      label,
      {
        site,
        subnet,
        address,
        zone,
        machineType: args.machineType,
        cosImage: args.cosImage,
        account: account.email,
        dataDisk: { sizeGb: args.diskGb, snapshots: args.snapshots },
        ...(args.startupCheck === undefined ? {} : { startupCheck: args.startupCheck }),
        after: previous ? [previous] : [],
        boot: {
          role: "nats",
          images: { nats: args.image },
          secrets: { ...secrets, "file-nats-server-key": key },
          files: { "nats-ca": authority.ca, "nats-server-cert": identity.certificate },
          settings: {
            "nats-name": `${site.prefix}-${label}`,
            "nats-ordinal": String(ordinal),
            "nats-peers": peers,
          },
        },
      },
      { parent },
    );
  }
  return {
    addresses,
    ca: authority.ca,
    urls: (user) =>
      pulumi.secret(
        pulumi
          .all([passwords.get(user) ?? "", ...addresses])
          .apply(([secretPart, ...hosts]) =>
            hosts.map((host) => `tls://${user}:${secretPart}@${host}:${PORTS.nats}`).join(","),
          ),
      ),
  };
}

/** @throws InputPropertiesError */
function zonesOf({ mode, zones }: SelfHostedArgs): string[] {
  const wanted = mode === "single" ? 1 : 3;
  const chosen = zones.slice(0, wanted);
  const reason = `needs ${wanted === 1 ? "a zone" : "three different zones"}, has ${JSON.stringify(zones)}`;
  refuse(`NATS ${mode}`, new Set(chosen).size === wanted ? [] : [{ propertyPath: "zones", reason }]);
  return chosen;
}

function password(parent: Nats, name: string): pulumi.Output<string> {
  // letters and digits only: it is part of a URL
  return pulumi.secret(new random.RandomPassword(name, { length: 32, special: false }, { parent }).result);
}

function secret(
  parent: Nats,
  name: string,
  { site }: CommonArgs,
  value: pulumi.Input<string>,
  accessors: Record<string, pulumi.Input<string>>,
): pulumi.Output<string> {
  return new Secret(name, { site, value: pulumi.secret(value), accessors }, { parent }).version;
}
