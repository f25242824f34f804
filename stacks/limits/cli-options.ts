import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Curve, parseCurve } from "./curve.ts";

/** What the command line of `npm run limits` asks for. Undefined: as the stack has it, or as the help says. */
export interface LimitsOptions {
  stack: string;
  connections: number | undefined;
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
}

export const HELP = `npm run limits -- --stack STACK [options]

How many gateways do that many connections need, do the stack's limits allow them, how fast does the autoscaler get
there, who is refused meanwhile, and what to type. Plays a demand against the stack's own settings; no cloud needed.

  --stack STACK        whose Pulumi.STACK.yaml is used, for example prod
  --connections N      most clients at once (the stack's maximum at its target)
  --ramp-minutes M     minutes in which they come, and later leave (30)
  --from N             clients at the beginning (0)
  --curve FILE         lines MINUTE,CONNECTIONS instead of the three above
  --cpu P              CPU of a gateway with WS_MAX_CONNECTIONS clients, percent of the VM, as a capacity test measured
                       it; without it CPU is left out
  --min N, --max N     what if minInstances or maxInstances were N
  --target N           what if connectionsTarget were N
  --boot-seconds N     from the autoscaler's decision to a gateway in service (90)
  --svg FILE           path of the plot (build/limits/STACK.svg)
  --json FILE          also writes the answer and every moment as JSON
  --help               shows this`;

const NUMBERS = {
  connections: [1, 10_000_000],
  from: [0, 10_000_000],
  "ramp-minutes": [0, 1440],
  cpu: [1, 200],
  min: [1, 100],
  max: [1, 100],
  target: [100, 1_000_000],
  "boot-seconds": [10, 3600],
} as const;

/**
 * Reads the arguments after the script's name.
 *
 * @param stacks the names that --stack may have
 * @returns the options, what is wrong with them (a line each), or "help"
 */
export function readLimitsOptions(
  args: string[],
  stacks: string[],
): LimitsOptions | { mistakes: string[] } | "help" {
  let values: ReturnType<typeof parse>["values"];
  try {
    values = parse(args).values;
  } catch (error) {
    return { mistakes: [String((error as Error).message).split("\n")[0] ?? ""] };
  }
  if (values.help) return "help";
  const mistakes: string[] = [];
  const { stack, curve: file, svg, json } = values;
  if (stack === undefined) mistakes.push(`--stack is missing: one of ${stacks.join(", ")}`);
  else if (!stacks.includes(stack)) mistakes.push(`--stack is ${stack}: one of ${stacks.join(", ")}`);
  const number = (name: keyof typeof NUMBERS): number | undefined => {
    const text = values[name];
    const [least, most] = NUMBERS[name];
    if (text === undefined) return undefined;
    if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
    mistakes.push(`--${name} is ${text}: a whole number from ${least} to ${most}`);
    return undefined;
  };
  const [connections, from, rampMinutes] = [number("connections"), number("from"), number("ramp-minutes")];
  const [cpu, min, max] = [number("cpu"), number("min"), number("max")];
  const [target, bootSeconds] = [number("target"), number("boot-seconds")];
  if (min !== undefined && max !== undefined && min > max)
    mistakes.push(`--min is ${min}: at most --max, which is ${max}`);
  if (file !== undefined && [connections, from, rampMinutes].some((value) => value !== undefined))
    mistakes.push("--curve is instead of --connections, --from and --ramp-minutes");
  for (const [name, path] of Object.entries({ svg, json }))
    if (path === "") mistakes.push(`--${name} is empty: a path`);
  const curve = file === undefined ? undefined : readCurve(file, mistakes);
  if (mistakes.length > 0 || stack === undefined) return { mistakes };
  return {
    stack,
    connections,
    from: from ?? 0,
    rampMinutes: rampMinutes ?? 30,
    curve,
    cpu,
    min,
    max,
    target,
    bootSeconds,
    svg,
    json,
  };
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

function parse(args: string[]) {
  const text = { type: "string" } as const;
  return parseArgs({
    args,
    options: {
      ...{ stack: text, connections: text, from: text, "ramp-minutes": text, curve: text, cpu: text },
      ...{ min: text, max: text, target: text, "boot-seconds": text, svg: text, json: text },
      help: { type: "boolean" },
    },
  });
}
