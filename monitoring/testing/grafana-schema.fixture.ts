import { execFile } from "node:child_process";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const REPOSITORY = join(import.meta.dirname, "../..");
const TIME_LIMIT_MS = 120_000;

/** A dashboard for the check. */
export interface SchemaCase {
  json: string;
  /** Whether the dashboard does not match Grafana's schema. Default: false. */
  wrong?: boolean;
}

interface ParsedBoard {
  panels: { type: string; datasource?: { type: string } }[];
}

/**
 * Checks dashboards with the TypeScript compiler against the types of Grafana's schema: finds unknown and
 * missing fields, wrong types and wrong values. A run of the compiler takes seconds, so one run checks all
 * cases.
 *
 * @returns one line for each problem: an error in a correct dashboard, or a wrong dashboard without an error
 */
export async function schemaErrors(cases: readonly SchemaCase[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), "odin-grafana-schema-"));
  try {
    await symlink(join(REPOSITORY, "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
    await writeFile(join(folder, "boards.ts"), cases.map(statements).join("\n"));
    const run = promisify(execFile)(
      process.execPath,
      [join(REPOSITORY, "node_modules/typescript/bin/tsc"), "--project", folder],
      { cwd: folder, timeout: TIME_LIMIT_MS },
    );
    const output = await run.then(
      () => "",
      ({ stdout, stderr, message }) => `${stdout}${stderr}` || message,
    );
    return output.split("\n").filter(Boolean);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const TSCONFIG = {
  compilerOptions: {
    module: "nodenext",
    target: "es2024",
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    types: [],
  },
  files: ["boards.ts"],
};

/**
 * The dashboard and its panels as typed constants. A wrong dashboard is on a single line after
 * `@ts-expect-error`, so that the compiler reports a dashboard without an error.
 */
function statements({ json, wrong = false }: SchemaCase, index: number): string {
  const { panels, ...rest } = JSON.parse(json) as ParsedBoard;
  const schema = JSON.stringify(join(REPOSITORY, "monitoring/testing/grafana-types.fixture.ts"));
  const board = { ...rest, panels: panels.filter(({ type }) => type === "row") };
  const constants = [
    `export const board${index}: import(${schema}).BoardJson = ${JSON.stringify(board)};`,
    ...panels
      .filter(({ type }) => type !== "row")
      .map((panel, number) => {
        const type = `PanelJson<"${panel.type}", "${panel.datasource?.type}">`;
        return `export const panel${index}_${number}: import(${schema}).${type} = ${JSON.stringify(panel)};`;
      }),
  ];
  return (wrong ? [`// @ts-expect-error\n${constants.join(" ")}`] : constants).join("\n");
}
