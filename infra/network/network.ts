import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Mistake, refuse } from "../argument-mistakes.ts";
import type { Site } from "../site.ts";
import { subnetWithNat } from "./subnet-with-nat.ts";

/** Arguments of {@link Network}. */
export interface NetworkArgs {
  site: Site;
  /**
   * Range of the subnet, for example `10.10.0.0/20`: private, and outside of Docker's 172.17.0.0/16. The
   * range can grow in place and can never shrink.
   */
  cidr: string;
  /**
   * Fewest ports of the NAT's address that each VM has, a power of two from 32 to 32768. A VM that needs more
   * gets more, up to 65536. Default: each VM has 64 ports and never more, which is enough because traffic to
   * Google's own services uses no NAT.
   */
  natMinPortsPerVm?: number | undefined;
}

/**
 * A network with one subnet, and a NAT as the only way out. Nothing may come in until a firewall rule allows
 * it.
 */
export class Network extends pulumi.ComponentResource {
  readonly id: pulumi.Output<string>;
  /**
   * Known when the NAT exists too, so that a VM that starts in the subnet can connect to the internet at
   * once.
   */
  readonly subnetId: pulumi.Output<string>;

  /** @throws InputPropertiesError with every mistake in the arguments */
  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Network", name, {}, opts);
    refuse(`network "${name}"`, networkMistakes(args));
    const { site, cidr, natMinPortsPerVm } = args;
    const { project } = site;
    const network = new gcp.compute.Network(
      name,
      {
        name: `${site.prefix}-${name}`,
        project,
        description: `${site.prefix}: gateways and what they need`,
        autoCreateSubnetworks: false, // otherwise Google creates a subnet in each region
        routingMode: "REGIONAL",
        // The MTU stays at its default of 1460, because the internet would split larger packets of clients.
      },
      { parent: this },
    );
    this.id = network.id;
    this.subnetId = subnetWithNat(this, name, {
      site,
      network: network.id,
      cidr,
      natMinPortsPerVm,
      cloudName: `${site.prefix}-${name}`,
    });
    this.registerOutputs({ id: this.id, subnetId: this.subnetId });
  }
}

/** Every mistake in the arguments. */
export function networkMistakes({ cidr, natMinPortsPerVm: ports }: NetworkArgs): Mistake[] {
  const mistakes: Mistake[] = [];
  const allowed = rangeMistake(cidr);
  if (allowed) mistakes.push({ propertyPath: "cidr", reason: `is ${cidr}: ${allowed}` });
  if (ports !== undefined && !(Number.isInteger(Math.log2(ports)) && ports >= 32 && ports <= 32768)) {
    mistakes.push({
      propertyPath: "natMinPortsPerVm",
      reason: `is ${ports}: it must be a power of two from 32 to 32768, for example 1024`,
    });
  }
  return mistakes;
}

/** What the range of a subnet must be and is not; undefined for a range that is allowed. */
export function rangeMistake(cidr: string): string | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr)?.slice(1).map(Number);
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = octets ?? [];
  if (Math.max(a, b, c, d) > 255) return "it must be a range of IPv4 addresses, for example 10.10.0.0/20";
  if (bits < 16 || bits > 28)
    return "its size must be from /16 to /28, because Google reserves four addresses of each range";
  const address = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
  if (address % 2 ** (32 - bits) !== 0) return "it must begin with the first address of the range";
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b <= 31) || (a === 192 && b === 168);
  if (!isPrivate) return "it must be private: inside of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16";
  if (a === 172 && b === 17)
    return "it must not overlap 172.17.0.0/16, which is Docker's own network on every VM";
  return undefined;
}
