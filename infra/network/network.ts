import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** Arguments of {@link Network}. */
export interface NetworkArgs {
  site: Site;
  /** Range of the subnet, private and clear of Docker's 172.17.0.0/16, for example `10.10.0.0/20`. It can grow in place, never shrink. */
  cidr: string;
  /**
   * Ports that each VM has of the NAT's address at least, a power of two from 32 to 32768; more come when it needs them, up to
   * 65536. Default: 64 each and no more, enough where the traffic goes to Google's own services, which need no NAT.
   */
  natMinPortsPerVm?: number;
}

/** A network of our own: one subnet, and a NAT as the only way out. Nothing may come in until a firewall rule says so. */
export class Network extends pulumi.ComponentResource {
  readonly id: pulumi.Output<string>;
  /** Known as soon as the NAT stands too: a VM that starts in the subnet finds its way out. */
  readonly subnetId: pulumi.Output<string>;

  /** @throws InputPropertiesError with every mistake in the arguments */
  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Network", name, {}, opts);
    const errors = networkProblems(args);
    if (errors.length > 0) throw new pulumi.InputPropertiesError({ message: `${name} network`, errors });
    const { site, cidr, natMinPortsPerVm } = args;
    const { project, region } = site;
    const network = new gcp.compute.Network(
      name,
      {
        name: `${site.prefix}-${name}`,
        project,
        description: `${site.prefix}: gateways and what they need`,
        autoCreateSubnetworks: false, // a subnet in each region of the world otherwise
        routingMode: "REGIONAL",
        // The default MTU of 1460 stays: clients come over the internet, where larger packets would only be cut.
      },
      { parent: this },
    );
    const subnet = new gcp.compute.Subnetwork(
      `${name}-subnet`,
      {
        name: `${site.prefix}-${name}`,
        project,
        region,
        network: network.id,
        description: `${site.prefix}: all machines`,
        ipCidrRange: cidr,
        privateIpGoogleAccess: true, // images, secrets, metrics and buckets without NAT
        // No flow logs: each of 50,000 clients would write a line every few seconds, the dearest log of all, and what they tell (who,
        // when, how much) is in the gateways' own metrics and logs. Google turns them on for an hour when a case needs it.
      },
      { parent: this },
    );
    const router = new gcp.compute.Router(
      `${name}-router`,
      {
        name: `${site.prefix}-${name}`,
        project,
        region,
        network: network.id,
        description: `${site.prefix}: carries the NAT`,
      },
      { parent: this },
    );
    const nat = new gcp.compute.RouterNat(
      `${name}-nat`,
      {
        name: `${site.prefix}-${name}`,
        project,
        region,
        router: router.name,
        natIpAllocateOption: "AUTO_ONLY",
        sourceSubnetworkIpRangesToNat: "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES",
        // Said aloud: it excludes dynamic ports, refuses connections that the other mapping has ports for, and only calls between
        // peers need it.
        enableEndpointIndependentMapping: false,
        ...(natMinPortsPerVm === undefined
          ? {}
          : { enableDynamicPortAllocation: true, minPortsPerVm: natMinPortsPerVm }),
        logConfig: { enable: true, filter: "ERRORS_ONLY" }, // a line for each packet that found no port
      },
      { parent: this },
    );
    this.id = network.id;
    // The NAT's own input `router`, not its id: known in previews, so that a new NAT does not make every VM look changed.
    this.subnetId = pulumi.all([subnet.id, nat.router]).apply(([id]) => id);
    this.registerOutputs({ id: this.id, subnetId: this.subnetId });
  }
}

/** Every mistake in the arguments, each with its path. */
export function networkProblems({ cidr, natMinPortsPerVm: ports }: NetworkArgs) {
  const problems: pulumi.InputPropertyErrorDetails[] = [];
  const cidrProblem = problemOfCidr(cidr);
  if (cidrProblem) problems.push({ propertyPath: "cidr", reason: `${cidr}: ${cidrProblem}` });
  if (ports !== undefined && !(Number.isInteger(Math.log2(ports)) && ports >= 32 && ports <= 32768)) {
    problems.push({
      propertyPath: "natMinPortsPerVm",
      reason: `${ports} is not a power of two from 32 to 32768, for example 1024`,
    });
  }
  return problems;
}

function problemOfCidr(cidr: string): string | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr)?.slice(1).map(Number);
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = octets ?? [];
  if (Math.max(a, b, c, d) > 255) return "not a range of IPv4 addresses, for example 10.10.0.0/20";
  if (bits < 16 || bits > 28) return "not from /16 to /28: Google takes four addresses of each, VMs the rest";
  const address = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
  if (address % 2 ** (32 - bits) !== 0) return "not the first address of its range";
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168);
  if (!isPrivate) return "not private: take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16";
  if (a === 172 && b === 17) return "taken on every VM by Docker's own network, 172.17.0.0/16";
  return undefined;
}
