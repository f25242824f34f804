/** What is known in Google Cloud about a resource whose creation nobody saw end. */

/** Inputs of a resource as Pulumi's state has them. */
export type Inputs = Record<string, unknown>;

/**
 * Ids in the cloud, by type: names in braces are inputs. Sources: the sections "Import" of the provider's
 * documentation. With such an id Pulumi can look whether the resource exists.
 */
export const IDS: Readonly<Record<string, string>> = {
  "gcp:artifactregistry/repository:Repository":
    "projects/{project}/locations/{location}/repositories/{repositoryId}",
  "gcp:certificatemanager/certificate:Certificate":
    "projects/{project}/locations/{location}/certificates/{name}",
  "gcp:certificatemanager/certificateMap:CertificateMap":
    "projects/{project}/locations/global/certificateMaps/{name}",
  "gcp:certificatemanager/certificateMapEntry:CertificateMapEntry":
    "projects/{project}/locations/global/certificateMaps/{map}/certificateMapEntries/{name}",
  "gcp:certificatemanager/dnsAuthorization:DnsAuthorization":
    "projects/{project}/locations/{location}/dnsAuthorizations/{name}",
  "gcp:compute/address:Address": "projects/{project}/regions/{region}/addresses/{name}",
  "gcp:compute/backendService:BackendService": "projects/{project}/global/backendServices/{name}",
  "gcp:compute/disk:Disk": "projects/{project}/zones/{zone}/disks/{name}",
  "gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment":
    "projects/{project}/zones/{zone}/disks/{disk}/{name}",
  "gcp:compute/firewall:Firewall": "projects/{project}/global/firewalls/{name}",
  "gcp:compute/forwardingRule:ForwardingRule": "projects/{project}/regions/{region}/forwardingRules/{name}",
  "gcp:compute/globalAddress:GlobalAddress": "projects/{project}/global/addresses/{name}",
  "gcp:compute/globalForwardingRule:GlobalForwardingRule": "projects/{project}/global/forwardingRules/{name}",
  "gcp:compute/healthCheck:HealthCheck": "projects/{project}/global/healthChecks/{name}",
  "gcp:compute/instance:Instance": "projects/{project}/zones/{zone}/instances/{name}",
  "gcp:compute/instanceTemplate:InstanceTemplate": "projects/{project}/global/instanceTemplates/{name}",
  "gcp:compute/network:Network": "projects/{project}/global/networks/{name}",
  "gcp:compute/regionAutoscaler:RegionAutoscaler": "projects/{project}/regions/{region}/autoscalers/{name}",
  "gcp:compute/regionBackendService:RegionBackendService":
    "projects/{project}/regions/{region}/backendServices/{name}",
  "gcp:compute/regionHealthCheck:RegionHealthCheck":
    "projects/{project}/regions/{region}/healthChecks/{name}",
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager":
    "projects/{project}/regions/{region}/instanceGroupManagers/{name}",
  "gcp:compute/resourcePolicy:ResourcePolicy": "projects/{project}/regions/{region}/resourcePolicies/{name}",
  "gcp:compute/router:Router": "projects/{project}/regions/{region}/routers/{name}",
  "gcp:compute/routerNat:RouterNat": "projects/{project}/regions/{region}/routers/{router}/{name}",
  "gcp:compute/sSLPolicy:SSLPolicy": "projects/{project}/global/sslPolicies/{name}",
  "gcp:compute/securityPolicy:SecurityPolicy": "projects/{project}/global/securityPolicies/{name}",
  "gcp:compute/subnetwork:Subnetwork": "projects/{project}/regions/{region}/subnetworks/{name}",
  "gcp:compute/targetHttpsProxy:TargetHttpsProxy": "projects/{project}/global/targetHttpsProxies/{name}",
  "gcp:compute/uRLMap:URLMap": "projects/{project}/global/urlMaps/{name}",
  "gcp:dns/recordSet:RecordSet": "projects/{project}/managedZones/{managedZone}/rrsets/{name}/{type}",
  "gcp:secretmanager/secret:Secret": "projects/{project}/secrets/{secretId}",
  "gcp:storage/bucket:Bucket": "{name}",
};

/** Inputs that the provider fills when they are not given. */
const DEFAULTS: Inputs = { location: "global" };

/**
 * Types that can be created again without harm. Random values, keys, commands and images exist in the state
 * or are pushed again; grants and APIs are set, not added; an object or a metric is overwritten; an account
 * is used as it is (`createIgnoreAlreadyExists`).
 */
const AGAIN =
  /^(command|docker|random|tls):|^gcp:.*I[Aa][Mm]Member$|^gcp:(projects\/service|serviceaccount\/account|storage\/bucketObject|monitoring\/metricDescriptor):/;

/** Types whose ids Google chooses: Pulumi cannot find them, and creating them again makes a second one. */
const NUMBERED =
  /^gcp:(monitoring\/(alertPolicy|notificationChannel|uptimeCheckConfig)|billing\/budget|secretmanager\/secretVersion):/;

/**
 * What to do about a resource of this type that may exist: `again`, it can be created again without harm;
 * `twice`, it can be created again, but may then exist twice; `found by id`, {@link cloudIdOf} has its id.
 */
export function kindOf(type: string): "again" | "twice" | "found by id" | "unknown" {
  if (AGAIN.test(type)) return "again";
  if (NUMBERED.test(type)) return "twice";
  return IDS[type] === undefined ? "unknown" : "found by id";
}

/** The id that the cloud gives to a resource with these inputs; undefined when the inputs do not say it. */
export function cloudIdOf(type: string, inputs: Inputs): string | undefined {
  const pattern = IDS[type];
  let isComplete = pattern !== undefined;
  const id = pattern?.replaceAll(/\{(\w+)\}/g, (_, input: string) => {
    const value = inputs[input] ?? DEFAULTS[input];
    if (typeof value !== "string" || value === "") isComplete = false;
    return String(value);
  });
  return isComplete ? id : undefined;
}
