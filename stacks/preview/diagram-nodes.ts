import type { Recorded } from "@odin-ws/infra";
import { type Graph, listAt, textAt } from "./graph.ts";
import { type Machines, machinesOf } from "./machines.ts";
import { regionOf, regionsOf } from "./regions.ts";

/** A box of the diagram. */
export interface Node {
  id: string;
  kind: "outside" | "entrance" | "machines" | "service";
  title: string;
  /** Lines below the title. */
  lines: string[];
  /** Cells at the bottom, side by side: zones. */
  cells?: string[];
  /** What the box stands for: VMs, a forwarding rule, or resources that are read. Arrows are found by it. */
  machines?: Machines;
  rule?: Recorded;
  members?: Recorded[];
}

const RULES = [
  "gcp:compute/forwardingRule:ForwardingRule",
  "gcp:compute/globalForwardingRule:GlobalForwardingRule",
];
const SERVICES = [
  "gcp:compute/regionBackendService:RegionBackendService",
  "gcp:compute/backendService:BackendService",
];
const ARMOR = "gcp:compute/securityPolicy:SecurityPolicy";
const UPTIME = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig";
const ALERT = "gcp:monitoring/alertPolicy:AlertPolicy";
const CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel";

/** Boxes for the outside. A box without an arrow is not drawn. */
export const OUTSIDE = {
  browsers: "browsers",
  probes: "probes",
  people: "people",
  internet: "internet",
} as const;

/** All boxes of a stack. */
export function nodesOf(graph: Graph): Node[] {
  return [
    { id: OUTSIDE.browsers, kind: "outside", title: "Browsers", lines: ["the internet"] },
    { id: OUTSIDE.probes, kind: "outside", title: "Google's health checks", lines: ["and proxies"] },
    { id: OUTSIDE.people, kind: "outside", title: "People", lines: ["through Identity-Aware Proxy"] },
    ...graph.all(...RULES).map((rule) => entrance(graph, rule)),
    ...machinesOf(graph).map(machinesNode),
    {
      id: OUTSIDE.internet,
      kind: "outside",
      title: "The internet",
      lines: ["through the NAT"],
    },
    ...services(graph),
  ];
}

function entrance(graph: Graph, rule: Recorded): Node {
  const isGlobal = rule.type === RULES[1];
  const isSeveral = regionsOf(graph).length > 1;
  const [service] = graph.upstream(rule, ...SERVICES);
  const affinity = textAt(service?.inputs, "sessionAffinity");
  const drain = textAt(service?.inputs, "connectionDrainingTimeoutSec");
  const ports = listAt(rule.inputs, "ports").map(String).join(", ") || textAt(rule.inputs, "portRange");
  return {
    id: rule.urn,
    kind: "entrance",
    title: isGlobal ? "TLS entrance (wss)" : "Load balancer (ws)",
    lines: [
      `${textAt(rule.inputs, "ipProtocol") || "TCP"} ${ports}`,
      isGlobal ? "global, application" : "regional, passthrough",
      ...(isSeveral ? [isGlobal ? "to the nearest region" : regionOf(rule)] : []),
      ...(affinity ? [`affinity ${affinity}`] : []),
      ...(drain ? [`draining ${drain} s`] : []),
      ...(isGlobal && graph.upstream(rule, ARMOR).length > 0 ? ["Cloud Armor limits connects"] : []),
    ],
    rule,
  };
}

function machinesNode(machines: Machines): Node {
  const { role, count, machineType, zones, spot, disks, region, group, autoscaled, healedOn } = machines;
  const care = [...(autoscaled ? ["autoscaled"] : []), ...(healedOn ? [`healed on ${healedOn}`] : [])];
  const size = count === "1" ? machineType : `${count} × ${machineType}`;
  return {
    id: `machines ${role} ${machines.account} ${machineType} ${region}`,
    kind: "machines",
    title: group ? `${role}s` : role,
    lines: [
      `${size}${spot ? ", spot" : ""}`,
      ...(care.length > 0 ? [care.join(", ")] : []),
      ...(disks ? [`data disk ${disks}`] : []),
    ],
    cells: zones,
    machines,
  };
}

/** Boxes for services of Google that VMs read from or write to. */
function services(graph: Graph): Node[] {
  const secrets = graph.all("gcp:secretmanager/secret:Secret");
  const repositories = graph.all("gcp:artifactregistry/repository:Repository");
  const buckets = graph.all("gcp:storage/bucket:Bucket");
  const nats = graph.all("gcp:compute/routerNat:RouterNat");
  const names = (resources: Recorded[], key: string) =>
    resources.map(({ inputs, name }) => textAt(inputs, key) || name);
  const nodes: Node[] = [
    {
      id: "secrets",
      kind: "service",
      title: "Secret Manager",
      lines: names(secrets, "secretId"),
      members: secrets,
    },
    {
      id: "registry",
      kind: "service",
      title: "Artifact Registry",
      lines: names(repositories, "repositoryId"),
      members: repositories,
    },
    {
      id: "buckets",
      kind: "service",
      title: "Cloud Storage",
      lines: names(buckets, "name"),
      members: buckets,
    },
    {
      id: "nat",
      kind: "service",
      title: "Cloud NAT",
      lines: ["the way out to the internet"],
      members: nats,
    },
    {
      id: "watchdog",
      kind: "service",
      title: "Cloud Monitoring",
      lines: watchdogLines(graph),
      members: graph.all(UPTIME, ALERT),
    },
  ];
  return nodes.filter(({ members = [] }) => members.length > 0);
}

function watchdogLines(graph: Graph): string[] {
  const count = (type: string, one: string, many: string) => {
    const { length } = graph.all(type);
    return length === 0 ? [] : [`${length} ${length === 1 ? one : many}`];
  };
  return [
    ...count(UPTIME, "uptime check", "uptime checks"),
    ...count(ALERT, "alert policy", "alert policies"),
    ...count(CHANNEL, "notification channel", "notification channels"),
  ];
}
