/**
 * `npm run build`: bundles the gateway with everything that it imports into one file, `server/dist/gateway.mjs`,
 * which is all that the image holds beside Node. Workers run the same file again (node:cluster forks
 * `process.argv[1]`), so it may not lean on anything beside it. `npm run build publisher` does the same with the
 * publisher's service, `npm run build loadtest` with the load test.
 *
 * The version that /stats shows is fixed here: `process.env.ODIN_VERSION` in the sources becomes the version of
 * package.json, followed by the commit when the environment variable `ODIN_COMMIT` names one: `0.1.0+3f2a9c1`.
 * The same sources, commit and lockfile give the same bytes, wherever they are built.
 */
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** What can be bundled: the file that it starts with, and the bundle. */
const BUNDLES = {
  gateway: { entry: "server/src/main.ts", outfile: "server/dist/gateway.mjs" },
  publisher: { entry: "publisher/src/programs/service.ts", outfile: "publisher/dist/publisher.mjs" },
  loadtest: { entry: "loadtest/src/cli.ts", outfile: "loadtest/dist/loadtest.mjs" },
};

export interface BuildOptions {
  /** Default: the gateway. */
  bundle?: keyof typeof BUNDLES;
  /** Default: as in BUNDLES. Its source map is written beside it. */
  outfile?: string;
  /** Commit that is built, any length. Default: none. */
  commit?: string | undefined;
}

/**
 * Dependencies that are CommonJS (pino, prom-client, google-gax) ask at run time for what an ES module does not have.
 * Named so that no declaration of a bundled module can meet them.
 */
const COMMONJS_GLOBALS = `
import { createRequire as odinCreateRequire } from "node:module";
import { fileURLToPath as odinFileURLToPath } from "node:url";
import { dirname as odinDirname } from "node:path";
const require = odinCreateRequire(import.meta.url);
const __filename = odinFileURLToPath(import.meta.url);
const __dirname = odinDirname(__filename);
`.trim();

/** Writes the bundle and returns the version built into it. Throws esbuild's BuildFailure on an error in the sources. */
export async function build(options: BuildOptions = {}): Promise<string> {
  const version = await versionOf(options.commit);
  const bundle = BUNDLES[options.bundle ?? "gateway"];
  const outfile = options.outfile ?? join(root, bundle.outfile);
  await mkdir(dirname(outfile), { recursive: true });
  await esbuild.build({
    // Paths in the output are relative to this directory, whatever the current one is.
    absWorkingDir: root,
    entryPoints: [bundle.entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: COMMONJS_GLOBALS },
    define: { "process.env.ODIN_VERSION": JSON.stringify(version) },
    // What Node does with these sources when it runs them directly; tsconfig.json itself is not in the image's build.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    // Not minified: a stack trace in the logs names functions and lines that a person can find.
    minify: false,
    // For that person: lines of the bundle back to lines of the sources. Stays out of the image.
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "eof",
    logLevel: "warning",
  });
  return version;
}

async function versionOf(commit: string | undefined): Promise<string> {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  const short = commit?.trim().slice(0, 12);
  if (short && !/^[0-9A-Za-z-]+$/.test(short)) {
    throw new Error(`ODIN_COMMIT is not a commit: ${JSON.stringify(commit)}`);
  }
  return short ? `${version}+${short}` : version;
}

const isBundle = (name: string): name is keyof typeof BUNDLES => Object.hasOwn(BUNDLES, name);

if (import.meta.main) {
  const bundle = process.argv[2] ?? "gateway";
  if (!isBundle(bundle)) throw new Error(`${bundle} is none of ${Object.keys(BUNDLES).join(", ")}`);
  const outfile = join(root, BUNDLES[bundle].outfile);
  const version = await build({ bundle, outfile, commit: process.env.ODIN_COMMIT });
  const { size } = await stat(outfile);
  console.log(`${relative(process.cwd(), outfile)} ${version}, ${(size / 1e6).toFixed(2)} MB`);
}
