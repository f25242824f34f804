import { readFileSync } from "node:fs";
import { FLEET_RANGES, type Range } from "@odin-ws/infra";
import { type Command, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { choice, nonEmpty, whole } from "@odin-ws/settings/values";
import { type TrafficOptions, trafficFrom, trafficOptions } from "../traffic/options.ts";
import { type Curve, parseCurve } from "./curve.ts";

/** Options of `npm run limits`. Undefined: the value of the stack, or the default in the help. */
export interface LimitsOptions {
  stack: string;
  connections: number | undefined;
  /** Number of regions, whose days follow each other; undefined: one region, and a curve. */
  regions: number | undefined;
  from: number;
  rampMinutes: number;
  curve: Curve | undefined;
  /** CPU of a full gateway, percent. */
  cpu: number | undefined;
  min: number | undefined;
  max: number | undefined;
  target: number | undefined;
  bootSeconds: number | undefined;
  svg: string | undefined;
  json: string | undefined;
  traffic: TrafficOptions;
}

const within = ({ least, most }: Range) => whole(least, most);

/**
 * The command line of `npm run limits`.
 *
 * @param stacks the names that --stack may have
 */
export const limitsCommand = (stacks: readonly string[]) =>
  ({
    name: "npm run limits",
    usage: "npm run limits -- --stack STACK [options]",
    about: `Simulates a demand with the stack's own settings, and prints how many gateways the demand needs, whether the limits
allow these gateways, when they are in service, how many clients are refused until then, and which commands help.
Needs no cloud.`,
    options: {
      stack: option(
        "STACK",
        choice(stacks).describe("the stack whose Pulumi.STACK.yaml is used, for example prod"),
      ),
      connections: option(
        "N",
        whole(1, 10_000_000)
          .optional()
          .describe("largest number of clients at once (the stack's maximum at its target)"),
      ),
      regions: option(
        "N",
        whole(1, 10)
          .optional()
          .describe(
            "the clients are in N regions by day and night; says gateways, NATS servers, traffic between regions and cost (stack: prod)",
          ),
      ),
      "ramp-minutes": option(
        "M",
        whole(0, 1440).default(30).describe("minutes in which the clients come, and later leave (30)"),
      ),
      from: option("N", whole(0, 10_000_000).default(0).describe("clients at the beginning (0)")),
      curve: option(
        "FILE",
        nonEmpty().optional().describe("lines MINUTE,CONNECTIONS instead of the three options above"),
      ),
      cpu: option(
        "P",
        whole(1, 200)
          .optional()
          .describe(
            "CPU of a gateway with WS_MAX_CONNECTIONS clients, percent of the VM, as a capacity test measured it; " +
              "without this option CPU is left out",
          ),
      ),
      min: option("N", within(FLEET_RANGES.minInstances).optional().describe("what if minInstances were N")),
      max: option("N", within(FLEET_RANGES.maxInstances).optional().describe("what if maxInstances were N")),
      target: option(
        "N",
        within(FLEET_RANGES.connectionsTarget).optional().describe("what if connectionsTarget were N"),
      ),
      "boot-seconds": option(
        "N",
        whole(10, 3600)
          .optional()
          .describe("seconds from the autoscaler's decision to a gateway in service (90)"),
      ),
      ...trafficOptions,
      svg: option("FILE", nonEmpty().optional().describe("path of the plot (build/limits/STACK.svg)")),
      json: option("FILE", nonEmpty().optional().describe("also writes the answer and every moment as JSON")),
    },
  }) satisfies Command;

/** Options that --curve replaces. */
const REPLACED = ["--connections", "--from", "--ramp-minutes"];

/** Reads the arguments after the script's name. */
export function readLimitsOptions(args: readonly string[], stacks: readonly string[]): Read<LimitsOptions> {
  let curve: Curve | undefined;
  let traffic: TrafficOptions | undefined;
  const read = readCommand(limitsCommand(stacks), withStack(args), {}, (values) => {
    const { min, max, curve: file, regions, connections } = values;
    const mistakes: string[] = [];
    traffic = trafficFrom(values, mistakes);
    if (min !== undefined && max !== undefined && min > max)
      mistakes.push(`--min must be at most --max (${max}), not ${min}`);
    if (regions !== undefined && connections === undefined)
      mistakes.push("--regions needs --connections, the number of clients in all regions together");
    if (regions !== undefined && file !== undefined)
      mistakes.push("--curve cannot be used together with --regions, which has a curve of its own");
    if (file === undefined) return mistakes;
    if (args.some((arg) => REPLACED.some((name) => arg === name || arg.startsWith(`${name}=`))))
      mistakes.push("--curve cannot be used together with --connections, --from and --ramp-minutes");
    curve = readCurve(file, mistakes);
    return mistakes;
  });
  if (read === "help" || "mistakes" in read) return read;
  const { stack, connections, regions, from, cpu, min, max, target, svg, json } = read;
  const { "ramp-minutes": rampMinutes, "boot-seconds": bootSeconds } = read;
  return {
    ...{ stack, connections, regions, from, cpu, min, max, target, svg, json },
    ...{ rampMinutes, bootSeconds, curve, traffic: traffic ?? trafficFrom({}) },
  };
}

/** A question about regions is about prod, unless the arguments name a stack. */
function withStack(args: readonly string[]): readonly string[] {
  const has = (name: string) => args.some((arg) => arg === name || arg.startsWith(`${name}=`));
  return has("--regions") && !has("--stack") ? ["--stack", "prod", ...args] : args;
}

function readCurve(path: string, mistakes: string[]): Curve | undefined {
  try {
    const read = parseCurve(readFileSync(path, "utf8"));
    if (Array.isArray(read)) return read;
    mistakes.push(...read.mistakes.map((mistake) => `--curve ${path}: ${mistake}`));
  } catch (error) {
    mistakes.push(
      `--curve ${path}: ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : String((error as Error).message)}`,
    );
  }
  return undefined;
}
