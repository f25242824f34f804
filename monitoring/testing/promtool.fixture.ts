import { runOnFiles, without } from "./run-on-files.fixture.ts";

/** Why tests with promtool are left out; false where it is here. */
export const WITHOUT_PROMTOOL = without("promtool");

/**
 * Runs promtool on files that exist while it runs.
 *
 * @param command for example `test rules`
 * @param files content by path; what is no text is written as YAML
 * @param last the paths among them that promtool gets, in this order
 * @returns what it printed and whether it was content
 */
export function promtool(
  command: string,
  files: Record<string, unknown>,
  last: readonly string[],
): Promise<{ ok: boolean; output: string }> {
  return runOnFiles("promtool", [...command.split(" "), ...last], files);
}
