import type { Recorded } from "@odin-ws/infra";
import { RANGES } from "@odin-ws/infra";
import { type Node, OUTSIDE } from "./diagram-nodes.ts";
import { at, type Graph, listAt, textAt } from "./graph.ts";

/** An arrow of the diagram, from the side that opens a connection to the side that accepts it. */
export interface Edge {
  from: string;
  to: string;
  label: string;
  /** An arrow of kind `layout` is invisible, and keeps a box without other arrows in its place. */
  kind: "traffic" | "inside" | "admin" | "reads" | "layout";
  /** The arrow begins at the border of the network, and not at the box `from`. */
  whole?: boolean;
}

const GROUP = "gcp:compute/regionInstanceGroupManager:RegionInstanceGroupManager";
const FIREWALL = "gcp:compute/firewall:Firewall";
const GRANTS = {
  secrets: "gcp:secretmanager/secretIamMember:SecretIamMember",
  registry: "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
  buckets: "gcp:storage/bucketIAMMember:BucketIAMMember",
} as const;
const PROBES: readonly string[] = [...RANGES.passthroughProbes, ...RANGES.proxies];

/**
 * Arrows between the boxes of a stack. Connections between the same two boxes are one arrow with all ports.
 */
export function edgesOf(graph: Graph, nodes: Node[]): Edge[] {
  const edges = merged([
    ...entranceEdges(graph, nodes),
    ...graph.all(FIREWALL).flatMap((rule) => firewallEdges(rule, nodes)),
    ...Object.entries(GRANTS).flatMap(([id, type]) => grantEdges(id, graph.all(type), nodes)),
    ...natsEdges(nodes),
    ...outEdges(nodes),
    ...watchdogEdges(nodes),
  ]);
  return [...edges, ...layoutEdges(nodes, edges)];
}

function entranceEdges(graph: Graph, nodes: Node[]): Edge[] {
  return nodes.flatMap(({ id, rule }) => {
    if (!rule) return [];
    const port = listAt(rule.inputs, "ports").map(String).join(", ") || textAt(rule.inputs, "portRange");
    const groups = graph.upstream(rule, GROUP);
    // The global entrance leads to the groups of all regions.
    const behind = nodes.filter(({ machines }) => machines?.group && groups.includes(machines.group));
    return [
      { from: OUTSIDE.browsers, to: id, label: port, kind: "traffic" as const },
      ...behind.map(({ id: to, machines }) => ({
        from: id,
        to,
        label: String(at(listAt(machines?.group?.inputs, "namedPorts")[0], "port") ?? port),
        kind: "traffic" as const,
      })),
    ];
  });
}

/** Arrows of a firewall rule. An arrow from everyone goes through the load balancer, if there is one. */
function firewallEdges({ inputs }: Recorded, nodes: Node[]): Edge[] {
  if (textAt(inputs, "direction") === "EGRESS") return [];
  const ports = listAt(inputs, "allows").flatMap((allow) => listAt(allow, "ports").map(String));
  const hasEntrance = nodes.some(({ kind }) => kind === "entrance");
  const targets = nodesOfAccounts(listAt(inputs, "targetServiceAccounts"), nodes);
  const sources = nodesOfAccounts(listAt(inputs, "sourceServiceAccounts"), nodes).map((node) => node.id);
  const ranges = new Set(listAt(inputs, "sourceRanges").map((range) => outsider(String(range))));
  if (hasEntrance) ranges.delete(OUTSIDE.browsers);
  return targets.flatMap(({ id: to }) =>
    [...sources, ...ranges].map((from) => ({
      from,
      to,
      label: ports.join(", "),
      kind: kindOf(from),
    })),
  );
}

function outsider(range: string): string {
  if (range === RANGES.everyone) return OUTSIDE.browsers;
  if (range === RANGES.iap) return OUTSIDE.people;
  return PROBES.includes(range) ? OUTSIDE.probes : OUTSIDE.internet;
}

function kindOf(from: string): Edge["kind"] {
  if (from === OUTSIDE.browsers || from === OUTSIDE.internet) return "traffic";
  return from === OUTSIDE.people || from === OUTSIDE.probes ? "admin" : "inside";
}

function nodesOfAccounts(accounts: unknown[], nodes: Node[]): Node[] {
  return nodes.filter(({ machines }) => machines && accounts.includes(machines.account));
}

/** Arrows for grants to read a secret, a repository or a bucket. */
function grantEdges(id: string, grants: Recorded[], nodes: Node[]): Edge[] {
  if (!nodes.some((node) => node.id === id)) return [];
  const members = grants.map(({ inputs }) => textAt(inputs, "member").replace("serviceAccount:", ""));
  return nodesOfAccounts(members, nodes).map(({ id: from }) => ({ from, to: id, label: "", kind: "reads" }));
}

/** An arrow to a NATS outside of the stack, which the environment of a VM names. */
function natsEdges(nodes: Node[]): Edge[] {
  const outlet = nodes.some(({ id }) => id === "nat") ? "nat" : OUTSIDE.internet;
  return nodes.flatMap(({ id, machines }) => {
    const url = textAt(machines?.metadata, "odin-env-NATS_URL");
    const { hostname, port } = URL.canParse(url) ? new URL(url) : { hostname: "", port: "" };
    if (!/[a-z]/.test(hostname)) return []; // addresses without letters belong to our own VMs
    return { from: id, to: outlet, label: `NATS ${hostname} ${port}`, kind: "traffic" };
  });
}

/** The arrow through the NAT, for machines without a public address. */
function outEdges(nodes: Node[]): Edge[] {
  const machines = nodes.filter(({ kind }) => kind === "machines").at(-1);
  if (!machines || !nodes.some(({ id }) => id === "nat")) return [];
  return [{ from: machines.id, to: "nat", label: "", kind: "reads", whole: true }];
}

/** Invisible arrows that keep services without grants at the right of the machines. */
function layoutEdges(nodes: Node[], edges: Edge[]): Edge[] {
  const machines = nodes.find(({ kind }) => kind === "machines");
  const alone = nodes.filter(
    ({ id, kind }) => kind === "service" && !edges.some(({ from, to }) => from === id || to === id),
  );
  return machines ? alone.map(({ id }) => ({ from: machines.id, to: id, label: "", kind: "layout" })) : [];
}

function watchdogEdges(nodes: Node[]): Edge[] {
  const watchdog = nodes.find(({ id }) => id === "watchdog");
  if (!watchdog) return [];
  return nodes
    .filter(({ kind }) => kind === "entrance")
    .map(({ id: to }) => ({ from: watchdog.id, to, label: "checks", kind: "admin" }));
}

function merged(edges: Edge[]): Edge[] {
  const pairs = Map.groupBy(edges, ({ from, to }) => `${from}\n${to}`);
  return [...pairs.values()].flatMap((same) => {
    const [first] = same;
    if (!first) return [];
    const labels = new Set(same.flatMap(({ label }) => label.split(", ")).filter(Boolean));
    return { ...first, label: [...labels].join(", ") };
  });
}
