import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { monthly } from "@odin-ws/infra";
import { trafficOf } from "../traffic/traffic.ts";
import type { PreviewOptions } from "./cli-options.ts";
import { billOf, hasEntrance, type TrafficCosts } from "./costs.ts";
import { defaultMix, usersOf } from "./demand.ts";
import { diagramDot, renderDiagram } from "./diagram.ts";
import { type Graph, graphOf } from "./graph.ts";
import { recordStack, repositoryFolder, type StackSource } from "./record-stack.ts";
import { type CountedTraffic, report, reportJson } from "./report.ts";

/**
 * Runs a stack's program offline, writes the diagram and the JSON, and returns the text to print.
 *
 * @throws StackConfigError, and what the program throws when it rejects its configuration
 */
export async function preview(
  { stack, out, json, svg, ...demand }: PreviewOptions,
  source?: StackSource,
): Promise<string> {
  const recording = await recordStack(stack, source);
  const graph = graphOf(recording.resources);
  const traffic = countedTraffic(graph, demand);
  const bill = billOf(graph, costsOf(traffic, demand));
  const folder = resolve(out ?? join(repositoryFolder, "build", "preview", stack));
  const files = [
    { path: resolve(svg ?? join(folder, "diagram.svg")), what: "diagram" },
    { path: resolve(json ?? join(folder, "preview.json")), what: "JSON" },
  ];
  const [diagramPath = "", jsonPath = ""] = files.map(({ path }) => path);
  write(diagramPath, await renderDiagram(diagramDot(graph, `odin-ws, stack ${stack}`)));
  write(jsonPath, reportJson(recording, bill, traffic));
  const paths = files.map(({ path, what }) => `${what}: ${relative(process.cwd(), path) || path}`);
  return [report(recording, bill, traffic), "", ...paths, ""].join("\n");
}

type Demand = Pick<PreviewOptions, "trafficGib" | "traffic">;

/** The users whose traffic is counted; undefined when the traffic is given, or the stack has no users. */
function countedTraffic(graph: Graph, { trafficGib, traffic }: Demand): CountedTraffic | undefined {
  if (trafficGib !== undefined || (traffic.users === undefined && !hasEntrance(graph))) return undefined;
  const { messages, users: given, mix = defaultMix(graph) } = traffic;
  const users = given === undefined ? usersOf(graph) : { least: given, most: given };
  return users && { users, messages, mix };
}

function costsOf(counted: CountedTraffic | undefined, { trafficGib }: Demand): TrafficCosts | undefined {
  if (trafficGib !== undefined) {
    const costs = trafficGib > 0 ? monthly.egress(trafficGib) : [];
    return { least: costs, most: costs };
  }
  if (counted === undefined) return undefined;
  const { users, messages, mix } = counted;
  const costs = (count: number) => trafficOf(mix, messages, count).costs;
  return { least: costs(users.least), most: costs(users.most) };
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
