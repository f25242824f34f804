/** Properties of a type of resource: how resources are named, and which inputs cannot be changed in place. */

import { argumentsOf } from "../graph/typings.ts";

/** Inputs or state of a resource, as plain values. */
export type Properties = Record<string, unknown>;

/**
 * A resource that exists but is not what was requested, for example a group whose instances never became
 * healthy.
 */
export class ResourceFailed extends Error {
  readonly id: string;
  readonly inputs: Properties;
  readonly state: Properties;

  constructor(message: string, live: { id: string; inputs: Properties; state: Properties }) {
    super(message);
    this.id = live.id;
    this.inputs = live.inputs;
    this.state = live.state;
  }
}

/** The type and the logical name at the end of a URN. */
export function ofUrn(urn: string): { type: string; name: string } {
  const [, , types = "", name = ""] = urn.split("::");
  return { type: types.split("$").at(-1) ?? "", name };
}

/**
 * Whether the provider makes up a name for a resource without one: the SDK's argument `name` is optional for
 * this type.
 */
export function isAutoNamed(type: string): boolean {
  return type.startsWith("gcp:") && argumentsOf(type)?.get("name")?.required === false;
}

/**
 * Inputs that cannot be changed in place: a new value needs a new resource. `*` stands for all inputs. A path
 * leads into objects and lists (`scheduling.preemptible`). Other inputs are updated in place. Sources:
 * terraform-provider-google-beta (ForceNew) and magic-modules (immutable), as of 2026.
 */
const FORCE_NEW: Record<string, readonly string[]> = {
  "gcp:artifactregistry/repository:Repository": [
    "repositoryId",
    "location",
    "format",
    "mode",
    "kmsKeyName",
    "remoteRepositoryConfig",
  ],
  "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": ["*"],
  "gcp:billing/budget:Budget": ["billingAccount"],
  "gcp:certificatemanager/certificate:Certificate": ["name", "location", "scope", "managed"],
  "gcp:certificatemanager/certificateMap:CertificateMap": ["name"],
  "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry": ["name", "map", "hostname", "matcher"],
  "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": ["name", "location", "domain", "type"],
  "gcp:compute/address:Address": [
    "name",
    "region",
    "address",
    "addressType",
    "description",
    "ipVersion",
    "network",
    "networkTier",
    "prefixLength",
    "purpose",
    "subnetwork",
  ],
  "gcp:compute/backendService:BackendService": ["name", "loadBalancingScheme"],
  "gcp:compute/disk:Disk": [
    "name",
    "zone",
    "type",
    "image",
    "snapshot",
    "sourceDisk",
    "description",
    "physicalBlockSizeBytes",
  ],
  "gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment": ["*"],
  "gcp:compute/firewall:Firewall": ["name", "network", "direction"],
  "gcp:compute/forwardingRule:ForwardingRule": [
    "name",
    "region",
    "allPorts",
    "backendService",
    "description",
    "ipAddress",
    "ipProtocol",
    "ipVersion",
    "loadBalancingScheme",
    "network",
    "networkTier",
    "portRange",
    "ports",
    "subnetwork",
  ],
  "gcp:compute/globalAddress:GlobalAddress": [
    "name",
    "address",
    "addressType",
    "description",
    "ipVersion",
    "network",
    "prefixLength",
    "purpose",
  ],
  "gcp:compute/globalForwardingRule:GlobalForwardingRule": [
    "name",
    "description",
    "ipAddress",
    "ipProtocol",
    "ipVersion",
    "loadBalancingScheme",
    "network",
    "networkTier",
    "portRange",
    "subnetwork",
  ],
  "gcp:compute/healthCheck:HealthCheck": ["name"],
  "gcp:compute/instance:Instance": [
    "name",
    "zone",
    "bootDisk.initializeParams",
    "bootDisk.source",
    "hostname",
    "metadataStartupScript",
    "scratchDisks",
    "confidentialInstanceConfig",
    "scheduling.preemptible",
    "scheduling.provisioningModel",
    "networkInterfaces.nicType",
    "canIpForward",
  ],
  "gcp:compute/instanceTemplate:InstanceTemplate": ["*"],
  "gcp:compute/network:Network": ["name", "autoCreateSubnetworks", "description", "mtu"],
  "gcp:compute/regionAutoscaler:RegionAutoscaler": ["name", "region"],
  "gcp:compute/regionBackendService:RegionBackendService": [
    "name",
    "region",
    "loadBalancingScheme",
    "network",
  ],
  "gcp:compute/regionHealthCheck:RegionHealthCheck": ["name", "region"],
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": [
    "name",
    "region",
    "baseInstanceName",
    "description",
    "distributionPolicyZones",
  ],
  "gcp:compute/resourcePolicy:ResourcePolicy": [
    "name",
    "region",
    "description",
    "snapshotSchedulePolicy.retentionPolicy",
    "snapshotSchedulePolicy.snapshotProperties",
  ],
  "gcp:compute/router:Router": ["name", "network", "region"],
  "gcp:compute/routerNat:RouterNat": ["name", "router", "region"],
  "gcp:compute/securityPolicy:SecurityPolicy": ["name", "type"],
  "gcp:compute/sSLPolicy:SSLPolicy": ["name"],
  "gcp:compute/subnetwork:Subnetwork": ["name", "network", "region", "description", "purpose", "ipCidrRange"],
  "gcp:compute/targetHttpsProxy:TargetHttpsProxy": ["name", "description", "httpKeepAliveTimeoutSec"],
  "gcp:compute/uRLMap:URLMap": ["name"],
  "gcp:dns/recordSet:RecordSet": ["name", "managedZone", "type"],
  "gcp:monitoring/metricDescriptor:MetricDescriptor": [
    "type",
    "metricKind",
    "valueType",
    "unit",
    "labels",
    "description",
    "displayName",
  ],
  "gcp:monitoring/notificationChannel:NotificationChannel": ["type"],
  "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": ["monitoredResource", "resourceGroup", "checkerType"],
  "gcp:projects/iAMMember:IAMMember": ["*"],
  "gcp:projects/service:Service": ["service"],
  "gcp:secretmanager/secret:Secret": ["secretId", "replication"],
  "gcp:secretmanager/secretIamMember:SecretIamMember": ["*"],
  "gcp:secretmanager/secretVersion:SecretVersion": ["secret", "secretData", "isSecretDataBase64"],
  "gcp:serviceaccount/account:Account": ["accountId"],
  "gcp:serviceaccount/iAMMember:IAMMember": ["*"],
  "gcp:storage/bucket:Bucket": ["name", "location", "customPlacementConfig"],
  "gcp:storage/bucketIAMMember:BucketIAMMember": ["*"],
  "gcp:storage/bucketObject:BucketObject": [
    "name",
    "bucket",
    "source",
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "metadata",
    "storageClass",
  ],
  "command:local:Command": ["triggers"],
  "random:index/randomPassword:RandomPassword": ["*"],
  "random:index/randomId:RandomId": ["*"],
  "random:index/randomString:RandomString": ["*"],
  "tls:index/certRequest:CertRequest": ["*"],
  "tls:index/locallySignedCert:LocallySignedCert": ["*"],
  "tls:index/privateKey:PrivateKey": ["*"],
  "tls:index/selfSignedCert:SelfSignedCert": ["*"],
};

const ALWAYS = ["project"]; // no resource can move to another project

/** The changed top-level inputs because of which a resource must be replaced. */
export function replacedBy(type: string, olds: Properties, news: Properties): string[] {
  const paths = [...(FORCE_NEW[type] ?? []), ...ALWAYS];
  if (paths.includes("*")) return changedKeys(olds, news);
  const changed = paths.filter((path) => !same(at(olds, path), at(news, path)));
  return [...new Set(changed.map((path) => path.split(".")[0] ?? path))];
}

/** The top-level inputs that differ. */
export function changedKeys(olds: Properties, news: Properties): string[] {
  const keys = new Set([...Object.keys(olds), ...Object.keys(news)]);
  return [...keys].filter((key) => !key.startsWith("__") && !same(olds[key], news[key]));
}

/** The value at a path. A path through a list gives the values of all items. */
function at(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((inside, key) => {
    if (Array.isArray(inside)) return inside.map((item) => (item as Properties | undefined)?.[key]);
    return (inside as Properties | undefined)?.[key];
  }, value);
}

/** Equality of JSON values. A missing value, null and undefined are equal. */
function same(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return (a ?? undefined) === (b ?? undefined);
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => same((a as Properties)[key], (b as Properties)[key]));
}
