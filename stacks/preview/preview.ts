import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import type { PreviewOptions } from "./cli-options.ts";
import { billOf } from "./costs.ts";
import { diagramDot, renderDiagram } from "./diagram.ts";
import { graphOf } from "./graph.ts";
import { recordStack, repositoryFolder, type StackSource } from "./record-stack.ts";
import { report, reportJson } from "./report.ts";

/**
 * Runs a stack's program offline, writes the diagram and the JSON, and returns the text to print.
 *
 * @throws StackConfigError, and what the program throws when it rejects its configuration
 */
export async function preview(
  { stack, out, json, svg, trafficGib }: PreviewOptions,
  source?: StackSource,
): Promise<string> {
  const recording = await recordStack(stack, source);
  const graph = graphOf(recording.resources);
  const bill = billOf(graph, trafficGib);
  const folder = resolve(out ?? join(repositoryFolder, "build", "preview", stack));
  const files = [
    { path: resolve(svg ?? join(folder, "diagram.svg")), what: "diagram" },
    { path: resolve(json ?? join(folder, "preview.json")), what: "JSON" },
  ];
  const [diagramPath = "", jsonPath = ""] = files.map(({ path }) => path);
  write(diagramPath, await renderDiagram(diagramDot(graph, `odin-ws, stack ${stack}`)));
  write(jsonPath, reportJson(recording, bill));
  const paths = files.map(({ path, what }) => `${what}: ${relative(process.cwd(), path) || path}`);
  return [report(recording, bill), "", ...paths, ""].join("\n");
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
