import { parseArgs } from "node:util";

/** What the command line of `npm run preview` asks for. */
export interface PreviewOptions {
  stack: string;
  /** Folder of the files; undefined: build/preview/STACK. */
  out: string | undefined;
  /** Paths of single files; undefined: in the folder. */
  json: string | undefined;
  svg: string | undefined;
  /** Traffic to the clients in a month; undefined: left out of the bill. */
  trafficGib: number | undefined;
}

export const HELP = `npm run preview -- --stack STACK [options]

Runs the real program offline, without a cloud, a login or secrets, and shows its resources, what they cost in a
month, and a diagram. Changes nothing anywhere.

  --stack STACK      whose Pulumi.STACK.yaml is used, for example prod
  --traffic-gib N    adds N GiB a month of traffic to the clients to the bill
  --out FOLDER       where diagram.svg and preview.json are written (build/preview/STACK)
  --json FILE        path of the resources and costs as JSON, instead of preview.json in that folder
  --svg FILE         path of the diagram, instead of diagram.svg in that folder
  --help             shows this`;

/**
 * Reads the arguments after the script's name.
 *
 * @param stacks the names that --stack may have
 * @returns the options, what is wrong with them (a line each), or "help"
 */
export function readPreviewOptions(
  args: string[],
  stacks: string[],
): PreviewOptions | { mistakes: string[] } | "help" {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return { mistakes: [String((error as Error).message).split("\n")[0] ?? ""] };
  }
  const { stack, out, json, svg, help, "traffic-gib": traffic } = parsed.values;
  if (help) return "help";
  const mistakes: string[] = [];
  if (stack === undefined) mistakes.push(`--stack is missing: one of ${stacks.join(", ")}`);
  else if (!stacks.includes(stack)) mistakes.push(`--stack is ${stack}: one of ${stacks.join(", ")}`);
  const trafficGib = traffic === undefined ? undefined : Number(traffic);
  if (traffic !== undefined && !(/^\d+(\.\d+)?$/.test(traffic) && Number.isFinite(trafficGib)))
    mistakes.push(`--traffic-gib is ${traffic}: a number of GiB, 0 or more`);
  for (const [name, value] of Object.entries({ out, json, svg })) {
    if (value === "") mistakes.push(`--${name} is empty: a path`);
  }
  if (mistakes.length > 0 || stack === undefined) return { mistakes };
  return { stack, out, json, svg, trafficGib };
}

function parse(args: string[]) {
  return parseArgs({
    args,
    options: {
      stack: { type: "string" },
      out: { type: "string" },
      json: { type: "string" },
      svg: { type: "string" },
      "traffic-gib": { type: "string" },
      help: { type: "boolean" },
    },
  });
}
