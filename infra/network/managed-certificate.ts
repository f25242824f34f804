import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** A DNS record that the domain must have. */
export interface DnsRecord {
  /** Full name with a dot at its end, for example `live.example.com.` */
  name: string;
  type: string;
  data: string;
}

/** Arguments of {@link ManagedCertificate}. */
export interface ManagedCertificateArgs {
  site: Site;
  /**
   * Host name, for example `live.example.com`. When the domain changes, the new certificate is created before
   * the old certificate is deleted.
   */
  domain: string;
}

/**
 * A certificate that Google obtains and renews while the record `proof` is in DNS. Creating this component
 * does not wait for the record: until the record is in DNS, and up to an hour longer, the load balancer
 * refuses TLS handshakes.
 */
export class ManagedCertificate extends pulumi.ComponentResource {
  /** Certificate map for a target HTTPS proxy: `//certificatemanager.googleapis.com/projects/…`. */
  readonly map: pulumi.Output<string>;
  /** `projects/P/locations/global/certificates/N`. */
  readonly certificate: pulumi.Output<string>;
  /** The record that proves to Google that the domain is ours. */
  readonly proof: pulumi.Output<DnsRecord>;

  /** @param name start of the logical names of all children */
  constructor(name: string, args: ManagedCertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:ManagedCertificate", name, {}, opts);
    const { site, domain } = args;
    // When the domain changes, the resources without `name` are replaced. The new resource is created first,
    // because the old one is still in use; a fixed name would prevent this.
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
    this.certificate = certificate.id;
    this.map = pulumi.interpolate`//certificatemanager.googleapis.com/${map.id}`;
    this.proof = authorization.dnsResourceRecords.apply(([record]) => {
      if (record) return record;
      throw new Error(
        `Certificate Manager returned no DNS record for ${domain}: look at the resource ${name}-authorization`,
      );
    });
    this.registerOutputs({ map: this.map, certificate: this.certificate, proof: this.proof });
  }
}
