/**
 * `npm run build`: bundles the gateway and everything that it imports into one file,
 * `server/dist/gateway.mjs`. The image contains only this file and Node. Workers run the same file
 * (node:cluster forks `process.argv[1]`), so the file must not need any other file. `npm run build publisher`
 * bundles the publisher's service, `npm run build loadtest` the load test.
 *
 * The version that /stats shows is set here: `process.env.ODIN_VERSION` in the sources is replaced by the
 * version of package.json. When the environment variable `ODIN_COMMIT` is set, the commit is added:
 * `0.1.0+3f2a9c1`. The same sources, commit and lockfile give the same bytes on every machine.
 */
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Entry and output file of each bundle. */
const BUNDLES = {
  gateway: { entry: "server/src/main.ts", outfile: "server/dist/gateway.mjs" },
  publisher: { entry: "publisher/src/programs/service.ts", outfile: "publisher/dist/publisher.mjs" },
  loadtest: { entry: "loadtest/src/cli.ts", outfile: "loadtest/dist/loadtest.mjs" },
};

export interface BuildOptions {
  /** Default: the gateway. */
  bundle?: keyof typeof BUNDLES;
  /** Default: as in BUNDLES. The source map is written next to this file. */
  outfile?: string;
  /** Commit that is built, of any length. Default: the version has no commit. */
  commit?: string | undefined;
}

/**
 * CommonJS dependencies (pino, prom-client, google-gax) use these globals at run time, but an ES module does
 * not have them. The names of the imports cannot conflict with a declaration in a bundled module.
 */
const COMMONJS_GLOBALS = `
import { createRequire as odinCreateRequire } from "node:module";
import { fileURLToPath as odinFileURLToPath } from "node:url";
import { dirname as odinDirname } from "node:path";
const require = odinCreateRequire(import.meta.url);
const __filename = odinFileURLToPath(import.meta.url);
const __dirname = odinDirname(__filename);
`.trim();

/** Writes the bundle and returns its version. Throws esbuild's BuildFailure on an error in the sources. */
export async function build(options: BuildOptions = {}): Promise<string> {
  const version = await versionOf(options.commit);
  const bundle = BUNDLES[options.bundle ?? "gateway"];
  const outfile = options.outfile ?? join(root, bundle.outfile);
  await mkdir(dirname(outfile), { recursive: true });
  await esbuild.build({
    // Paths in the output are relative to this directory, not to the current one.
    absWorkingDir: root,
    entryPoints: [bundle.entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: COMMONJS_GLOBALS },
    define: { "process.env.ODIN_VERSION": JSON.stringify(version) },
    // The same rule as when Node runs the sources directly. The image's build does not contain tsconfig.json.
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    // Not minified, so that a stack trace in the logs has readable names and lines.
    minify: false,
    // Maps lines of the bundle to lines of the sources. The image does not contain the map.
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
  if (!isBundle(bundle))
    throw new Error(`unknown bundle ${bundle}: use one of ${Object.keys(BUNDLES).join(", ")}`);
  const outfile = join(root, BUNDLES[bundle].outfile);
  const version = await build({ bundle, outfile, commit: process.env.ODIN_COMMIT });
  const { size } = await stat(outfile);
  console.log(`${relative(process.cwd(), outfile)} ${version}, ${(size / 1e6).toFixed(2)} MB`);
}
