import * as pulumi from "@pulumi/pulumi";
import { Secret } from "../project/secret.ts";
import type { Site } from "../site.ts";
import { bucketName } from "./bucket.ts";
import type { NatsTls } from "./nats-tls.ts";
import { Vm } from "./vm.ts";

/** What the NATS servers of one region have in common. */
export interface NatsServerArgs {
  site: Site;
  subnet: pulumi.Input<string>;
  /** Service account of the NATS VMs. */
  account: { email: pulumi.Input<string>; member: pulumi.Input<string> };
  /** Container image, with its digest or exact tag. */
  image: pulumi.Input<string>;
  machineType: string;
  /** Exact image of project cos-cloud. */
  cosImage: string;
  /** Size of each VM's data disk in GB; the streams need 0.1 GB. */
  diskGb: number;
  /** Start-up check of each {@link Vm}. */
  startupCheck?: string | undefined;
  /** Log shipper of each VM: its image, and Loki's URL. Default: logs stay on the VMs. */
  logs?: { image: pulumi.Input<string>; lokiUrl: string } | undefined;
}

/** One server. */
interface ServerArgs {
  zone: string;
  /** Reserved internal address. */
  address: pulumi.Output<string>;
  /** Addresses for the certificate besides `address`. */
  otherAddresses?: pulumi.Input<string>[];
  /** Issues the server's certificate. */
  authority: NatsTls;
  /** Boot secrets with the logins that the server accepts. */
  logins: Record<string, pulumi.Input<string>>;
  /** Settings of the start-up script, as attributes `odin-NAME`. */
  settings: Record<string, pulumi.Input<string>>;
  /** The region whose bucket has the configuration files. */
  configSite: Site;
  /** True: daily snapshots of the data disk. */
  snapshots: boolean;
  /** See `VmArgs.after`. */
  after?: pulumi.Resource[];
}

/** Boot arguments that a gateway needs to reach NATS. */
export interface NatsConnection {
  environment: Record<string, pulumi.Input<string>>;
  secrets: Record<string, pulumi.Input<string>>;
  files: Record<string, pulumi.Input<string>>;
}

/** Creates the VM of a NATS server, with its key and its certificate, as children of `parent`. */
export function natsServer(
  parent: pulumi.Resource,
  name: string,
  { site, account, image, logs, diskGb, ...machine }: NatsServerArgs,
  { zone, address, otherAddresses = [], authority, logins, settings, configSite, ...server }: ServerArgs,
): Vm {
  const identity = authority.server(name, address, ...otherAddresses);
  const key = secretVersion(parent, `${name}-server-key`, site, identity.key, { nats: account.member });
  return new Vm(
    name,
    {
      site,
      subnet: machine.subnet,
      address,
      zone,
      machineType: machine.machineType,
      cosImage: machine.cosImage,
      account: account.email,
      dataDisk: { sizeGb: diskGb, snapshots: server.snapshots },
      startupCheck: machine.startupCheck,
      after: server.after,
      boot: {
        role: "nats",
        images: { nats: image, ...(logs ? { alloy: logs.image } : {}) },
        secrets: { ...logins, "file-nats-server-key": key },
        files: { "nats-ca": authority.ca, "nats-server-cert": identity.certificate },
        settings: {
          ...settings,
          ...(logs ? { "config-bucket": bucketName(configSite, "config"), "loki-url": logs.lokiUrl } : {}),
        },
      },
    },
    { parent },
  );
}

/**
 * What gateways need to reach our own servers.
 *
 * @param url version of the secret with the URLs and the password
 * @param environment settings of the gateways
 */
export function connectionTo(
  { ca }: Pick<NatsTls, "ca">,
  url: pulumi.Output<string>,
  environment: Record<string, pulumi.Input<string>>,
): NatsConnection {
  return {
    environment: { NODE_EXTRA_CA_CERTS: "/run/odin/files/nats-ca", ...environment },
    secrets: { "env-NATS_URL": url },
    files: { "nats-ca": ca },
  };
}

/** Creates a secret as a child of `parent`, and returns the name of its version. */
export function secretVersion(
  parent: pulumi.Resource,
  name: string,
  site: Site,
  value: pulumi.Input<string>,
  accessors: Record<string, pulumi.Input<string>>,
  isRenewable = false,
): pulumi.Output<string> {
  return new Secret(name, { site, value: pulumi.secret(value), accessors, isRenewable }, { parent }).version;
}
