import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { hasEntrance } from "../preview/costs.ts";
import { defaultMix } from "../preview/demand.ts";
import { type Graph, graphOf, textAt } from "../preview/graph.ts";
import { recordStack, repositoryFolder, type StackSource } from "../preview/record-stack.ts";
import { trafficTable } from "../traffic/table.ts";
import { type Answer, answer } from "./answer.ts";
import type { LimitsOptions } from "./cli-options.ts";
import { ramp } from "./curve.ts";
import { plotSvg } from "./plot.ts";
import { report } from "./report.ts";
import { DELAYS } from "./simulator.ts";
import { stackPolicy, WrongLimitsError } from "./stack-policy.ts";
import { world } from "./world.ts";
import { worldPlot, worldReport } from "./world-report.ts";

/**
 * Simulates a demand against a stack's limits, writes the plot and the JSON, and returns the text to print.
 *
 * @throws StackConfigError, WrongLimitsError, and what the program throws when it rejects its configuration
 */
export async function limits(options: LimitsOptions, source?: StackSource): Promise<string> {
  const { stack } = options;
  const { resources } = await recordStack(stack, source);
  const graph = graphOf(resources);
  if (options.regions !== undefined) return worldLimits(options, options.regions, graph);
  const { fleet, policy: own, maxConnections, cpuReject } = stackPolicy(graph, stack);
  const policy = {
    ...own,
    min: options.min ?? Math.min(own.min, options.max ?? own.min),
    max: options.max ?? Math.max(own.max, options.min ?? own.max),
    connectionsTarget: options.target ?? own.connectionsTarget,
  };
  if (policy.connectionsTarget > maxConnections)
    throw new WrongLimitsError(
      `--target is ${policy.connectionsTarget}: at most WS_MAX_CONNECTIONS, which is ${maxConnections}`,
    );
  const connections = options.connections ?? policy.max * policy.connectionsTarget;
  const given = answer({
    policy,
    gateway: {
      maxConnections,
      cpuReject,
      cpuWhenFull: options.cpu === undefined ? undefined : options.cpu / 100,
    },
    delays: { ...DELAYS, boot: options.bootSeconds ?? DELAYS.boot },
    curve: options.curve ?? ramp(options.from, connections, options.rampMinutes),
    // Long enough for the group to become as small as before: one window for each gateway.
    tail:
      (policy.max - policy.min + 1) * (policy.scaleIn?.windowSeconds ?? 0) +
      policy.stabilizationSeconds +
      600,
  });
  const svg = resolve(options.svg ?? join(repositoryFolder, "build", "limits", `${stack}.svg`));
  write(svg, plotSvg(stack, given));
  const paths = [`plot: ${shown(svg)}`];
  if (options.json !== undefined) {
    write(resolve(options.json), json(stack, given));
    paths.push(`JSON: ${shown(resolve(options.json))}`);
  }
  const { messages, mix = defaultMix(graph), users = given.peak } = options.traffic;
  const traffic = hasEntrance(graph) ? [...trafficTable(messages, mix, users), ""] : [];
  return [report(stack, fleet, own, given), "", ...traffic, ...paths, ""].join("\n");
}

/** The same question for several regions, by day and night. */
function worldLimits({ stack, connections = 0, traffic, svg }: LimitsOptions, regions: number, graph: Graph) {
  const { messages, mix = defaultMix(graph) } = traffic;
  const demand = { connections, regions, messages, mix };
  const servers = graph
    .all("gcp:compute/instance:Instance")
    .filter(({ inputs }) => textAt(inputs, "labels.role") === "nats").length;
  const given = world(stackPolicy(graph, stack), demand, Math.max(1, servers));
  const path = resolve(svg ?? join(repositoryFolder, "build", "limits", `${stack}-${regions}-regions.svg`));
  write(path, worldPlot(stack, demand, given));
  return [worldReport(stack, demand, given), "", `plot: ${shown(path)}`, ""].join("\n");
}

/** The answer as JSON, with one line for each moment. */
function json(stack: string, { scenario, moments, ...rest }: Answer): string {
  const head = JSON.stringify({ stack, ...rest, scenario }, null, 2).replace(/\n}$/, "");
  return `${head},\n  "moments": [\n${moments.map((moment) => `    ${JSON.stringify(moment)}`).join(",\n")}\n  ]\n}\n`;
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

const shown = (path: string) => relative(process.cwd(), path) || path;
