import { type Command, option, type Read, readCommand } from "@odin-ws/settings/command-line";
import { choice, decimal, nonEmpty } from "@odin-ws/settings/values";
import { type TrafficOptions, trafficFrom, trafficOptions } from "../traffic/options.ts";

/** What the command line of `npm run preview` asks for. */
export interface PreviewOptions {
  stack: string;
  /** Folder of the files; undefined: build/preview/STACK. */
  out: string | undefined;
  /** Paths of single files; undefined: in the folder. */
  json: string | undefined;
  svg: string | undefined;
  /** Traffic to the clients in a month; undefined: computed from `traffic`. */
  trafficGib: number | undefined;
  traffic: TrafficOptions;
}

/**
 * The command line of `npm run preview`.
 *
 * @param stacks the names that --stack may have
 */
export const previewCommand = (stacks: readonly string[]) =>
  ({
    name: "npm run preview",
    usage: "npm run preview -- --stack STACK [options]",
    about: `Runs the real program offline, without a cloud, a login or secrets, and shows its resources, what they cost in a
month, and a diagram. Changes nothing anywhere.`,
    options: {
      stack: option(
        "STACK",
        choice(stacks).describe("the stack whose Pulumi.STACK.yaml is used, for example prod"),
      ),
      "traffic-gib": option(
        "N",
        decimal(0, 1e12)
          .optional()
          .describe("traffic to the clients in a month, instead of the computed traffic"),
      ),
      ...trafficOptions,
      out: option(
        "FOLDER",
        nonEmpty()
          .optional()
          .describe("folder in which diagram.svg and preview.json are written (build/preview/STACK)"),
      ),
      json: option(
        "FILE",
        nonEmpty()
          .optional()
          .describe("path of the resources and costs as JSON, instead of preview.json in that folder"),
      ),
      svg: option(
        "FILE",
        nonEmpty().optional().describe("path of the diagram, instead of diagram.svg in that folder"),
      ),
    },
  }) satisfies Command;

/** Reads the arguments after the script's name. */
export function readPreviewOptions(args: readonly string[], stacks: readonly string[]): Read<PreviewOptions> {
  let traffic: TrafficOptions | undefined;
  const read = readCommand(previewCommand(stacks), args, {}, (values) => {
    const mistakes: string[] = [];
    traffic = trafficFrom(values, mistakes);
    return mistakes;
  });
  if (read === "help" || "mistakes" in read) return read;
  const { stack, out, json, svg, "traffic-gib": trafficGib } = read;
  return { stack, out, json, svg, trafficGib, traffic: traffic ?? trafficFrom({}) };
}
