import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** A record that a domain's DNS must have. */
export interface DnsRecord {
  /** Full name with a dot at its end, for example `live.example.com.` */
  name: string;
  type: string;
  data: string;
}

/** Arguments of {@link ManagedCertificate}. */
export interface ManagedCertificateArgs {
  site: Site;
  /** Host name, for example `live.example.com`. Another one gets a certificate of its own before the old one goes. */
  domain: string;
}

/**
 * A certificate that Google obtains and renews for as long as `proof` is in DNS. Creating it does not wait for that: until then, and up
 * to an hour longer, the load balancer ends TLS handshakes.
 */
export class ManagedCertificate extends pulumi.ComponentResource {
  /** What a target HTTPS proxy takes as its certificate map: `//certificatemanager.googleapis.com/projects/…`. */
  readonly map: pulumi.Output<string>;
  /** The record that proves to Google that the domain is ours. */
  readonly proof: pulumi.Output<DnsRecord>;

  /** @param name what the certificate is for, in logical names */
  constructor(name: string, args: ManagedCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:ManagedCertificate", name, {}, opts);
    const { site, domain } = args;
    // Those without `name` are replaced when the domain changes, the new one before the old one, which is still in use.
    const common = {
      project: site.project,
      description: `certificate of ${domain}`,
      labels: roleLabels(site, "wss-entrance"),
    };
    const authorization = new gcp.certificatemanager.DnsAuthorization(
      `${name}-authorization`,
      { ...common, domain },
      { parent: this },
    );
    const certificate = new gcp.certificatemanager.Certificate(
      `${name}-managed`,
      { ...common, managed: { domains: [domain], dnsAuthorizations: [authorization.id] } },
      { parent: this },
    );
    const map = new gcp.certificatemanager.CertificateMap(
      `${name}-map`,
      { ...common, name: `${site.prefix}-wss` },
      { parent: this },
    );
    new gcp.certificatemanager.CertificateMapEntry(
      `${name}-entry`,
      { ...common, map: map.name, hostname: domain, certificates: [certificate.id] },
      { parent: this },
    );
    this.map = pulumi.interpolate`//certificatemanager.googleapis.com/${map.id}`;
    this.proof = authorization.dnsResourceRecords.apply(([record]) => {
      if (record) return record;
      throw new Error(`Certificate Manager asks for no DNS record for ${domain}: see ${name}-authorization`);
    });
    this.registerOutputs({ map: this.map, proof: this.proof });
  }
}
