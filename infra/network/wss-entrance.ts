import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Mistake, refuse } from "../argument-mistakes.ts";
import { CLIENT_PORT_NAME } from "../ports.ts";
import { roleLabels, type Site } from "../site.ts";
import { connectionDrainingSeconds } from "./draining.ts";
import { READINESS } from "./load-balancer.ts";
import { type DnsRecord, ManagedCertificate } from "./managed-certificate.ts";

/** Arguments of {@link WssEntrance}. */
export interface WssEntranceArgs {
  site: Site;
  /** Host name that clients use, for example `live.example.com`; without a dot at its end, not a wildcard. */
  domain: string;
  /**
   * Name of a Cloud DNS managed zone of the site's project that holds the domain. Default: none, and a person
   * enters `dnsRecords` where the domain is managed.
   */
  dnsZone?: string | undefined;
  /** Global IPv4 address that clients connect to, see `WssAddress`. */
  address: pulumi.Input<string>;
  /** URL of the gateways' instance group, in which the port of clients must have the name `ws`. */
  instanceGroup: pulumi.Input<string>;
  /** URL of the group of gateways that try a new template. Default: no such group. */
  canaryGroup?: pulumi.Input<string> | undefined;
  /**
   * URLs of the gateways' groups in other regions. A client gets a gateway of the nearest region that has a
   * healthy one. Default: none.
   */
  furtherGroups?: pulumi.Input<string>[] | undefined;
  /** How long a gateway takes to send its clients away, in seconds. */
  drainSeconds: number;
  /**
   * Requests that one address may make in a minute, at least 1; the rest get a 429. A whole office may share
   * an address. Polls do not count.
   */
  connectsPerMinutePerAddress: number;
  /** Polls that one address may make in a minute, at least 1; the rest get a 429. */
  pollsPerMinutePerAddress: number;
}

/** Host names in lower case with at least one dot, for example `live.example.com`; no wildcards. */
export const HOST_NAME = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
const DAY_SECONDS = 86_400; // s; the load balancer closes each WebSocket after this time
const NEVER_REACHED = 1000; // requests a second to one gateway
const LAST_PRIORITY = 2_147_483_647;
const RECORD_SECONDS = 300; // TTL of the DNS records

/**
 * The entrance for `wss://DOMAIN/ws`: a global external Application Load Balancer.
 *
 * The gateways see connections from Google's proxies (35.191.0.0/16 and 130.211.0.0/22). The client's address
 * is in X-Forwarded-For only, which ends with `CLIENT,ADDRESS`, where ADDRESS is the address of this
 * entrance. WS_TRUSTED_PROXIES must contain the ranges and the address, because otherwise a gateway counts
 * all clients as one or a few. The firewall must admit the ranges.
 */
export class WssEntrance extends pulumi.ComponentResource {
  /**
   * Records that DNS must have: first the domain's address, then the proof for Google that the domain is
   * ours.
   */
  readonly dnsRecords: pulumi.Output<DnsRecord[]>;
  /** The certificate of the domain: `projects/P/locations/global/certificates/N`. */
  readonly certificate: pulumi.Output<string>;

  /**
   * @param name the entrance's role in logical names
   * @throws pulumi.InputPropertiesError for a malformed domain or limit
   */
  constructor(name: string, args: WssEntranceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:WssEntrance", name, {}, opts);
    refuse(`wss entrance "${name}"`, mistakes(args));
    const { site, domain, dnsZone, address } = args;
    const child = { parent: this };
    const labels = roleLabels(site, "wss-entrance");
    const common = { project: site.project, name: `${site.prefix}-wss` };
    const certificate = new ManagedCertificate(`${name}-certificate`, { site, domain }, child);
    const policy = new gcp.compute.SecurityPolicy(
      `${name}-policy`,
      {
        ...common,
        description: "limits how often one address connects",
        type: "CLOUD_ARMOR",
        rules: rules(args),
        labels,
      },
      child,
    );
    const healthCheck = new gcp.compute.HealthCheck(
      `${name}-health`,
      {
        project: site.project,
        name: `${site.prefix}-wss-health`,
        description: "whether a gateway wants new connections",
        ...READINESS,
      },
      child,
    );
    const service = new gcp.compute.BackendService(
      `${name}-service`,
      {
        ...common,
        description: "gateways for wss:// clients",
        loadBalancingScheme: "EXTERNAL_MANAGED",
        protocol: "HTTP",
        portName: CLIENT_PORT_NAME,
        healthChecks: healthCheck.id,
        sessionAffinity: "CLIENT_IP",
        localityLbPolicy: "MAGLEV", // session affinity needs a policy that hashes
        timeoutSec: DAY_SECONDS,
        connectionDrainingTimeoutSec: connectionDrainingSeconds(args.drainSeconds),
        // The passthrough load balancer uses the same group in mode CONNECTION, which can be combined with
        // RATE and not with UTILIZATION. Source: cloud.google.com/load-balancing/docs/backend-service,
        // restrictions for instance groups. RATE needs a rate, in a regional group for each instance.
        // The rate is never reached; with the canary's group, traffic is shared by the number of instances.
        backends: groupsOf(args).map((group) => ({
          group,
          balancingMode: "RATE",
          maxRatePerInstance: NEVER_REACHED,
        })),
        securityPolicy: policy.id,
        // A log would contain the clients' tokens, which are part of the requests' URLs.
        logConfig: { enable: false },
      },
      child,
    );
    const urlMap = new gcp.compute.URLMap(
      `${name}-urls`,
      // Every path: the gateway itself answers unknown paths with 404, and its operations port has no load
      // balancer.
      { ...common, description: "everything to the gateways", defaultService: service.id },
      child,
    );
    const tls = new gcp.compute.SSLPolicy(
      `${name}-tls`,
      { ...common, description: "TLS of wss:// clients", minTlsVersion: "TLS_1_2", profile: "MODERN" },
      child,
    );
    const proxy = new gcp.compute.TargetHttpsProxy(
      `${name}-proxy`,
      {
        ...common,
        description: "wss:// clients",
        urlMap: urlMap.id,
        certificateMap: certificate.map,
        sslPolicy: tls.id,
        quicOverride: "DISABLE", // WebSockets come over TCP
      },
      child,
    );
    new gcp.compute.GlobalForwardingRule(
      `${name}-rule`,
      {
        ...common,
        description: "wss:// clients",
        loadBalancingScheme: "EXTERNAL_MANAGED",
        ipProtocol: "TCP",
        ipAddress: address,
        portRange: "443",
        target: proxy.id,
        labels,
      },
      child,
    );
    if (dnsZone !== undefined) {
      const zone = { project: site.project, managedZone: dnsZone, ttl: RECORD_SECONDS };
      const { proof } = certificate;
      new gcp.dns.RecordSet(
        `${name}-domain`,
        { ...zone, name: `${domain}.`, type: "A", rrdatas: [address] },
        child,
      );
      new gcp.dns.RecordSet(
        `${name}-proof`,
        { ...zone, name: proof.name, type: proof.type, rrdatas: [proof.data] },
        child,
      );
    }
    this.certificate = certificate.certificate;
    this.dnsRecords = pulumi
      .all([address, certificate.proof])
      .apply(([data, proof]) => [{ name: `${domain}.`, type: "A", data }, proof]);
    this.registerOutputs({ dnsRecords: this.dnsRecords, certificate: this.certificate });
  }
}

/** All groups behind the entrance. */
function groupsOf({ instanceGroup, canaryGroup, furtherGroups = [] }: WssEntranceArgs) {
  return [instanceGroup, ...(canaryGroup === undefined ? [] : [canaryGroup]), ...furtherGroups];
}

/**
 * Admits everyone, and limits each address. Only the request that opens a WebSocket counts, and not its
 * messages. Polls have a limit of their own, because a client that polls sends one every 2 s.
 */
function rules({
  connectsPerMinutePerAddress,
  pollsPerMinutePerAddress,
}: WssEntranceArgs): gcp.types.input.compute.SecurityPolicyRule[] {
  const everyone = { versionedExpr: "SRC_IPS_V1", config: { srcIpRanges: ["*"] } };
  const limit = (count: number) => ({
    action: "throttle",
    rateLimitOptions: {
      conformAction: "allow",
      exceedAction: "deny(429)",
      enforceOnKey: "IP",
      rateLimitThreshold: { count, intervalSec: 60 },
    },
  });
  return [
    // Descriptions have at most 64 characters.
    {
      priority: 900,
      description: "limits the polls of one address",
      match: { expr: { expression: "request.path == '/poll'" } },
      ...limit(pollsPerMinutePerAddress),
    },
    {
      priority: 1000,
      description: "limits the connects of one address",
      match: everyone,
      ...limit(connectsPerMinutePerAddress),
    },
    { priority: LAST_PRIORITY, description: "default", action: "allow", match: everyone },
  ];
}

function mistakes({ domain, ...limits }: WssEntranceArgs): Mistake[] {
  const found: Mistake[] = [];
  if (!HOST_NAME.test(domain))
    found.push({
      propertyPath: "domain",
      reason: `is ${domain}: it must be a host name in lower case, for example live.example.com`,
    });
  for (const propertyPath of ["connectsPerMinutePerAddress", "pollsPerMinutePerAddress"] as const) {
    const limit = limits[propertyPath];
    if (!Number.isInteger(limit) || limit < 1)
      found.push({ propertyPath, reason: `is ${limit}: it must be a whole number, at least 1` });
  }
  return found;
}
