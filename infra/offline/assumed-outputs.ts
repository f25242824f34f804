/** A resource after its creation: its id, and its inputs together with the outputs that the cloud adds. */
interface Assumed {
  id: string;
  state: Record<string, unknown>;
}

type Inputs = Record<string, unknown>;

const text = (value: unknown, fallback: string) =>
  typeof value === "string" && value !== "" ? value : fallback;

/**
 * Outputs that the cloud would compute for a resource, for programs that run without a cloud. The values look
 * real.
 */
export function assumedOutputs(type: string, name: string, inputs: Inputs): Assumed {
  const project = text(inputs.project, "offline-project");
  const cloudName = text(
    inputs.name,
    text(inputs.secretId, text(inputs.repositoryId, text(inputs.accountId, name))),
  );
  const collection = COLLECTIONS[type];
  const place = text(inputs.region, text(inputs.zone, text(inputs.location, "global")));
  const path = collection
    ? `projects/${project}/${scope(type, inputs)}${collection}/${cloudName}`
    : `${name}-id`;
  const state = {
    project,
    name: cloudName,
    selfLink: `https://www.googleapis.com/compute/v1/${path}`,
    ...inputs,
    ...COMPUTED[type]?.({ inputs, project, name: cloudName, place, path }),
  };
  return { id: path, state };
}

/** The answer of a provider function, for programs that run without a cloud. */
export function assumedCall(token: string, inputs: Inputs): Inputs {
  if (token === "gcp:organizations/getProject:getProject") {
    const projectId = text(inputs.projectId, "offline-project");
    return {
      ...inputs,
      projectId,
      number: "123456789012",
      billingAccount: "000000-000000-000000",
      name: projectId,
    };
  }
  return inputs;
}

function scope(type: string, inputs: Inputs): string {
  if (type.startsWith("gcp:secretmanager/")) return "";
  if (typeof inputs.zone === "string") return `zones/${inputs.zone}/`;
  if (typeof inputs.region === "string") return `regions/${inputs.region}/`;
  if (typeof inputs.location === "string") return `locations/${inputs.location}/`;
  return "global/";
}

const COLLECTIONS: Record<string, string> = {
  "gcp:compute/network:Network": "networks",
  "gcp:compute/subnetwork:Subnetwork": "subnetworks",
  "gcp:compute/address:Address": "addresses",
  "gcp:compute/globalAddress:GlobalAddress": "addresses",
  "gcp:compute/disk:Disk": "disks",
  "gcp:compute/instance:Instance": "instances",
  "gcp:compute/instanceTemplate:InstanceTemplate": "instanceTemplates",
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": "instanceGroupManagers",
  "gcp:compute/regionBackendService:RegionBackendService": "backendServices",
  "gcp:compute/backendService:BackendService": "backendServices",
  "gcp:compute/regionHealthCheck:RegionHealthCheck": "healthChecks",
  "gcp:compute/healthCheck:HealthCheck": "healthChecks",
  "gcp:secretmanager/secret:Secret": "secrets",
  "gcp:artifactregistry/repository:Repository": "repositories",
};

/**
 * The number in a resource name (1 in `nats-1-address`), so that the members of a cluster get different
 * addresses.
 */
function ordinal(name: string): number {
  return Number(/-(\d+)-/.exec(name)?.[1] ?? 0);
}

/** What the command prints that builds an image; empty for other commands. */
function digestOf(environment: unknown): string {
  const { IMAGE: image } = (environment ?? {}) as { IMAGE?: string };
  return image === undefined ? "" : `${image.split(":")[0]}@sha256:${"0".repeat(64)}`;
}

interface Known {
  inputs: Inputs;
  project: string;
  name: string;
  place: string;
  path: string;
}

/**
 * Outputs that only the cloud knows, by resource type. Public addresses are from a range reserved for
 * documentation.
 */
const COMPUTED: Record<string, (known: Known) => Inputs> = {
  "gcp:serviceaccount/account:Account": ({ project, inputs }) => {
    const email = `${inputs.accountId}@${project}.iam.gserviceaccount.com`;
    return { email, member: `serviceAccount:${email}`, name: `projects/${project}/serviceAccounts/${email}` };
  },
  "gcp:compute/address:Address": ({ inputs, name }) => ({
    address: text(
      inputs.address,
      inputs.addressType === "INTERNAL" ? `10.10.0.${10 + ordinal(name)}` : "203.0.113.10",
    ),
  }),
  "gcp:compute/globalAddress:GlobalAddress": () => ({ address: "203.0.113.20" }),
  "gcp:compute/instance:Instance": ({ inputs }) => ({
    instanceId: "1234567890123456789",
    currentStatus: "RUNNING",
    metadataFingerprint: "fingerprint",
    networkInterfaces: inputs.networkInterfaces,
  }),
  "gcp:compute/instanceTemplate:InstanceTemplate": ({ path }) => ({
    selfLinkUnique: `https://www.googleapis.com/compute/v1/${path}?uniqueId=1`,
  }),
  "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager": ({ path }) => ({
    instanceGroup: `https://www.googleapis.com/compute/v1/${path.replace("instanceGroupManagers", "instanceGroups")}`,
    fingerprint: "fingerprint",
  }),
  "gcp:secretmanager/secret:Secret": ({ project, inputs }) => ({
    name: `projects/${project}/secrets/${inputs.secretId}`,
  }),
  "gcp:secretmanager/secretVersion:SecretVersion": ({ inputs }) => ({
    name: `${inputs.secret}/versions/1`,
    version: "1",
  }),
  "gcp:certificatemanager/dnsAuthorization:DnsAuthorization": ({ inputs }) => ({
    dnsResourceRecords: [
      { name: `_acme-challenge.${inputs.domain}.`, type: "CNAME", data: "authorization.example.com." },
    ],
  }),
  "gcp:monitoring/notificationChannel:NotificationChannel": ({ project, name }) => ({
    name: `projects/${project}/notificationChannels/${name}`,
  }),
  "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig": ({ project, name }) => ({
    name: `projects/${project}/uptimeCheckConfigs/${name}`,
    uptimeCheckId: name,
  }),
  "random:index/randomPassword:RandomPassword": ({ inputs }) => ({
    result: "offline-password-".padEnd(Number(inputs.length ?? 32), "x"),
  }),
  "tls:index/privateKey:PrivateKey": () => ({
    privateKeyPem: "offline private key",
    publicKeyPem: "offline public key",
  }),
  "tls:index/certRequest:CertRequest": () => ({ certRequestPem: "offline certificate request" }),
  "tls:index/selfSignedCert:SelfSignedCert": () => ({ certPem: "offline CA certificate" }),
  "tls:index/locallySignedCert:LocallySignedCert": () => ({ certPem: "offline certificate" }),
  "command:local:Command": ({ inputs }) => ({ stdout: digestOf(inputs.environment), stderr: "" }),
};
