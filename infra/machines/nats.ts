import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { refuse } from "../argument-mistakes.ts";
import { internalAddress } from "../network/internal-address.ts";
import { PORTS } from "../ports.ts";
import type { Site } from "../site.ts";
import { DEFAULT_PUBLISHER, type NatsPublisher, NatsPublishers, urls } from "./nats-publishers.ts";
import {
  connectionTo,
  type NatsConnection,
  type NatsServerArgs,
  natsServer,
  secretVersion,
} from "./nats-server.ts";
import { NatsTls } from "./nats-tls.ts";
import type { Vm } from "./vm.ts";

interface CommonArgs {
  site: Site;
  /**
   * IAM member of the gateways' account: the only member that may read the credentials and URLs of gateways.
   */
  gateway: pulumi.Input<string>;
}

/** NATS as a service of Synadia; no machine of ours runs NATS. */
export interface SynadiaArgs extends CommonArgs {
  mode: "synadia";
  /** Default `tls://connect.ngs.global:4222`. */
  url?: string | undefined;
  /** Content of the account's .creds file. */
  credentials: pulumi.Input<string>;
}

/** NATS on our own VMs: one VM, or three VMs in three zones, of which one may fail. */
export interface SelfHostedArgs extends CommonArgs, NatsServerArgs {
  mode: "single" | "cluster";
  /** `single` uses the first zone; `cluster` needs three different zones. */
  zones: string[];
  /** True: daily snapshots of the data disks. */
  snapshots: boolean;
  /**
   * Publishers by name, and the IAM member that may read the secrets of all of them. Default: the publisher
   * {@link DEFAULT_PUBLISHER} alone, which may publish everything.
   */
  publishers?: { named: Record<string, NatsPublisher>; reader: pulumi.Input<string> } | undefined;
  /**
   * Public address of a load balancer in front of the servers, for publishers outside. Default: the servers
   * are reached by their internal addresses only.
   */
  publicAddress?: pulumi.Input<string> | undefined;
  /** True: servers of other regions ({@link NatsMirror}) join these servers. Default false. */
  joinable?: boolean | undefined;
}

/** What the server of another region needs to join the servers of the home region. */
export interface NatsHome {
  /** `ADDRESS:7422` of each server. */
  addresses: pulumi.Output<string>[];
  /** Issues the certificates of all servers. */
  authority: NatsTls;
  /** Boot secrets with the logins, which are the same in all regions. */
  logins: Record<string, pulumi.Output<string>>;
  gatewayPassword: pulumi.Output<string>;
}

/** JetStream domain of the home region's servers, when servers of other regions join them. */
export const HOME_DOMAIN = "home";

/** Arguments of {@link Nats}. */
export type NatsArgs = SynadiaArgs | SelfHostedArgs;

/** The NATS servers that the gateways read the stream from. */
export class Nats extends pulumi.ComponentResource {
  readonly connection: NatsConnection;
  /**
   * NATS_URL for publishers; secret. With Synadia the URL has no password, and a publisher needs its own
   * credentials. Undefined when publishers are named and {@link DEFAULT_PUBLISHER} is not among them, because
   * NATS then refuses this login.
   */
  readonly publisherUrl: pulumi.Output<string> | undefined;
  /**
   * CA certificate that publishers must trust, as PEM. Empty with Synadia, whose certificates are publicly
   * trusted.
   */
  readonly ca: pulumi.Output<string>;
  /** Logins of named publishers; undefined without them. */
  readonly publishers: NatsPublishers | undefined;
  /** VMs of the servers; empty with Synadia. */
  readonly servers: { label: string; selfLink: pulumi.Output<string>; zone: string }[];
  /** Undefined when no servers of other regions join. */
  readonly home: NatsHome | undefined;
  /** `ADDRESS:8222` of each server's monitoring endpoint; empty with Synadia. */
  readonly monitoring: pulumi.Output<string>[];

  /**
   * @throws InputPropertiesError when a cluster does not have three different zones, or a single server has
   * no zone
   */
  constructor(name: string, args: NatsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Nats", name, {}, opts);
    if (args.mode === "synadia") {
      const { url = "tls://connect.ngs.global:4222" } = args;
      const credentials = secretVersion(this, `${name}-credentials`, args.site, args.credentials, {
        gateway: args.gateway,
      });
      this.connection = {
        environment: {
          NATS_URL: url,
          NATS_CREDS_FILE: "/run/odin/secrets/nats-creds",
        },
        secrets: { "file-nats-creds": credentials },
        files: {},
      };
      this.publisherUrl = pulumi.output(url);
      this.ca = pulumi.output("");
      this.monitoring = [];
      this.publishers = undefined;
      this.servers = [];
      this.home = undefined;
    } else {
      const servers = selfHosted(this, name, args);
      this.connection = connectionTo(
        servers.authority,
        secretVersion(this, `${name}-gateway-url`, args.site, servers.urls("gateway"), {
          gateway: args.gateway,
        }),
        { JS_REPLICAS: String(servers.addresses.length) },
      );
      const { named } = args.publishers ?? {};
      this.publisherUrl =
        named === undefined || DEFAULT_PUBLISHER in named ? servers.urls(DEFAULT_PUBLISHER) : undefined;
      this.ca = servers.authority.ca;
      this.publishers = servers.publishers;
      this.servers = servers.vms;
      this.home = servers.home;
      this.monitoring = servers.addresses.map(
        (address) => pulumi.interpolate`${address}:${PORTS.natsMonitoring}`,
      );
    }
    this.registerOutputs({ publisherUrl: this.publisherUrl, ca: this.ca, monitoring: this.monitoring });
  }
}

type User = "gateway" | "publisher" | "cluster" | "leaf";

interface Servers {
  addresses: pulumi.Output<string>[];
  authority: NatsTls;
  /** Comma-separated URLs with user and password; secret. */
  urls(user: "gateway" | "publisher"): pulumi.Output<string>;
  publishers: NatsPublishers | undefined;
  vms: Nats["servers"];
  home: NatsHome | undefined;
}

/**
 * Creates the VMs. The three VMs of a cluster are updated one after the other: each waits for the start-up
 * check of the VM before it. When a VM is replaced, the metadata of the other VMs does not change, because
 * addresses are reserved and certificates belong to addresses.
 */
function selfHosted(parent: Nats, name: string, args: SelfHostedArgs): Servers {
  const { site, subnet, account, publicAddress, joinable = false } = args;
  const single = args.mode === "single";
  const users: User[] = ["gateway", "publisher"];
  if (!single) users.push("cluster");
  if (joinable) users.push("leaf");
  const passwords = new Map(users.map((user) => [user, password(parent, `${name}-${user}`)]));
  const secrets = Object.fromEntries(
    [...passwords].map(([user, value]) => [
      `file-nats-${user}-password`,
      // The login of servers of other regions goes with the last region.
      secretVersion(
        parent,
        `${name}-${user}-password`,
        site,
        value,
        { nats: account.member },
        user === "leaf",
      ),
    ]),
  );
  const authority = new NatsTls(`${name}-tls`, { owner: site.prefix }, { parent });
  const servers = zonesOf(args).map((zone, ordinal) => {
    const label = single ? name : `${name}-${ordinal}`;
    const address = internalAddress(`${label}-address`, { site, subnet, role: "nats" }, parent);
    return { label, ordinal, zone, address };
  });
  const addresses = servers.map(({ address }) => address);
  const publishers =
    args.publishers === undefined
      ? undefined
      : new NatsPublishers(
          name,
          {
            site,
            publishers: args.publishers.named,
            reader: args.publishers.reader,
            servers: account.member,
            addresses,
            publicAddress,
            ca: authority.ca,
            defaultPassword: passwords.get(DEFAULT_PUBLISHER) ?? "",
          },
          { parent },
        );
  const peers = pulumi
    .all(single ? [] : addresses)
    .apply((known) => known.map((address) => `${address}:${PORTS.natsCluster}`).join(" "));
  const vms: Servers["vms"] = [];
  let previous: Vm | undefined;
  for (const { label, ordinal, zone, address } of servers) {
    previous = natsServer(parent, label, args, {
      zone,
      address,
      otherAddresses: publicAddress === undefined ? [] : [publicAddress],
      authority,
      logins: { ...secrets, ...(publishers ? { "file-nats-publishers": publishers.logins } : {}) },
      settings: {
        "nats-name": `${site.prefix}-${label}`,
        "nats-ordinal": String(ordinal),
        "nats-peers": peers,
        ...(publicAddress === undefined ? {} : { "nats-advertise": "false" }),
        ...(joinable ? { "nats-domain": HOME_DOMAIN } : {}),
      },
      configSite: site,
      snapshots: args.snapshots,
      after: previous ? [previous.last] : [],
    });
    vms.push({ label, selfLink: previous.selfLink, zone });
  }
  const { "file-nats-cluster-password": _, ...logins } = secrets;
  return {
    addresses,
    authority,
    urls: (user) => urls(user, passwords.get(user) ?? "", addresses),
    publishers,
    vms,
    home: joinable
      ? {
          addresses: addresses.map((address) => pulumi.interpolate`${address}:${PORTS.natsLeaf}`),
          authority,
          logins: { ...logins, ...(publishers ? { "file-nats-publishers": publishers.logins } : {}) },
          gatewayPassword: pulumi.output(passwords.get("gateway") ?? ""),
        }
      : undefined,
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
  // Letters and digits only, because the password is part of a URL.
  return pulumi.secret(new random.RandomPassword(name, { length: 32, special: false }, { parent }).result);
}
