import { instance } from "@viz-js/viz";
import { type Edge, edgesOf } from "./diagram-edges.ts";
import { type Node, nodesOf } from "./diagram-nodes.ts";
import { type Graph, listAt } from "./graph.ts";
import { regionOf, regionsOf } from "./regions.ts";

/**
 * Graphviz measures text with Courier, which is wider than the font of the SVG. So the text fits with every
 * machine's fonts.
 */
const MEASURED = "Courier";
const SHOWN = "Helvetica,Arial,sans-serif";

const KEY =
  "numbers are TCP ports; black: clients, green: between our machines, violet: people and checks, brown: reads and the way out";
const NETWORK = "cluster_network";

/** Fill and border by kind of node. */
const COLORS: Record<Node["kind"], [string, string]> = {
  outside: ["#f1f5f9", "#64748b"],
  entrance: ["#dbeafe", "#2563eb"],
  machines: ["#dcfce7", "#15803d"],
  service: ["#fef3c7", "#b45309"],
};

const LINES: Record<Edge["kind"], string> = {
  traffic: 'color="#1e293b", penwidth=1.6',
  inside: 'color="#15803d", fontcolor="#166534"',
  admin: 'color="#7c3aed", fontcolor="#6d28d9", style=dashed',
  reads: 'color="#b45309", fontcolor="#92400e", style=dashed',
  layout: "style=invis",
};

/**
 * A stack as a Graphviz graph: who connects to whom on which ports, as firewall rules, load balancers, grants
 * and metadata say. The graph shows only parts that the stack has.
 */
export function diagramDot(graph: Graph, title: string): string {
  const nodes = nodesOf(graph);
  const edges = edgesOf(graph, nodes);
  const used = nodes.filter(
    ({ id, kind }) => kind !== "outside" || edges.some(({ from, to }) => from === id || to === id),
  );
  const inside = used.filter(({ kind }) => kind === "machines");
  return [
    "digraph stack {",
    `  graph [rankdir=TB, bgcolor="#ffffff", pad=0.4, nodesep=0.5, ranksep=0.75, fontname="${MEASURED}", fontsize=14, labelloc=t, label=${quote(`${title}\n${KEY}`)}, compound=true];`,
    `  node [shape=Mrecord, style=filled, fontname="${MEASURED}", fontsize=12, fontcolor="#0f172a"];`,
    `  edge [fontname="${MEASURED}", fontsize=11, arrowsize=0.8];`,
    ...used.filter(({ kind }) => kind !== "machines").map((node) => `  ${nodeLine(node)}`),
    `  subgraph ${NETWORK} {`,
    `    label=${quote(networkLabel(graph))}; labeljust=l; labelloc=b; fontsize=13; style="rounded"; color="#94a3b8"; margin=18;`,
    ...insideLines(graph, inside),
    "  }",
    ...edges.map((edge) => `  ${edgeLine(edge)}`),
    "}",
    "",
  ].join("\n");
}

/** The boxes in the network; with several regions, each region is a frame. */
function insideLines(graph: Graph, inside: Node[]): string[] {
  const regions = regionsOf(graph);
  if (regions.length < 2) return inside.map((node) => `    ${nodeLine(node)}`);
  return regions.flatMap((region, index) => {
    const [subnet] = graph
      .all("gcp:compute/subnetwork:Subnetwork")
      .filter((found) => regionOf(found) === region);
    const label = [region, String(subnet?.inputs.ipCidrRange ?? ""), index === 0 ? "home" : ""];
    return [
      `    subgraph ${quote(`cluster_${region}`)} {`,
      `      label=${quote(label.filter(Boolean).join("  ·  "))}; style="rounded,dashed"; color="#94a3b8"; margin=14;`,
      ...inside
        .filter(({ machines }) => machines?.region === region)
        .map((node) => `      ${nodeLine(node)}`),
      "    }",
    ];
  });
}

/** The diagram as SVG on a white background. */
export async function renderDiagram(dot: string): Promise<string> {
  const svg = (await instance()).renderString(dot, { format: "svg" });
  return svg.replaceAll(/font-family="Courier[^"]*"/g, `font-family="${SHOWN}"`);
}

function nodeLine({ id, kind, title, lines, cells = [] }: Node): string {
  const [fill, border] = COLORS[kind];
  const zones = cells.length > 0 ? `|{${cells.map(escapeRecord).join("|")}}` : "";
  const details = lines.length > 0 ? `|${lines.map(escapeRecord).join("\\n")}` : "";
  return `${quote(id)} [label="{${escapeRecord(title)}${details}${zones}}", fillcolor="${fill}", color="${border}"];`;
}

function edgeLine({ from, to, label, kind, whole }: Edge): string {
  const tail = whole ? `, ltail=${NETWORK}` : "";
  return `${quote(from)} -> ${quote(to)} [label=${quote(label === "" ? "" : ` ${label} `)}, ${LINES[kind]}${tail}];`;
}

function networkLabel(graph: Graph): string {
  const [network] = graph.all("gcp:compute/network:Network");
  const subnets = graph.all("gcp:compute/subnetwork:Subnetwork");
  // With several regions, each region's frame has its range.
  const ranges = regionsOf(graph).length > 1 ? [] : subnets.map(({ inputs }) => String(inputs.ipCidrRange));
  if (!network) return "network";
  return [
    `network ${String(network.inputs.name ?? network.name)}`,
    ...ranges,
    ...(hasPublicAddress(graph) ? [] : ["no public addresses"]),
  ].join("  ·  ");
}

function hasPublicAddress(graph: Graph): boolean {
  return graph
    .all("gcp:compute/instance:Instance", "gcp:compute/instanceTemplate:InstanceTemplate")
    .flatMap(({ inputs }) => listAt(inputs, "networkInterfaces"))
    .some((network) => listAt(network, "accessConfigs").length > 0);
}

function quote(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

/** Escapes the text of a record's field. */
function escapeRecord(text: string): string {
  return text.replaceAll(/[\\{}|<>"]/g, (character) => `\\${character}`);
}
