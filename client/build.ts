/**
 * `npm run build -w client` writes the package that applications install to `client/dist`: ES modules for the
 * library, the React hooks, the compact encoding and the fallback to HTTP, which the library loads when it is
 * needed, and their types, which include the types of the protocol. Then `npm pack ./client/dist` makes one
 * file of the package.
 */

import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { minify } from "vite";

const CLIENT = dirname(fileURLToPath(import.meta.url));
const ROOT = join(CLIENT, "..");
const ENTRIES = {
  index: "client/src/index.ts",
  react: "client/src/react/index.ts",
  compact: "client/src/compact.ts",
  fallback: "client/src/fallback.ts",
  selective: "client/src/selective.ts",
};
const PROTOCOL = "protocol/src/index.ts";
const TARGET = "es2022";
/**
 * Names of properties and methods that only the library's own files use. The bundle renames them to short
 * names, which saves 120 bytes gzipped. A name that an application, a gateway or the platform uses must not
 * be here; bundle.test.ts runs the library's tests with the bundle.
 */
const INNER =
  /^(answered|away|beat|begin|check|deliver|emit|envelope|forgotten|heard|heartbeat|idle|listener|live|parts|paused|pump|pumpAfter|refetch|refill|refilled|refused|renew|replay|replayAgain|replayEnd|restart|round|stop|throttled|top|waits|welcome)$/;

/**
 * Bundles and minifies one entry. The hooks import the library instead of including it, because a page must
 * have only one copy. The code does not name its source map, so it can be copied and renamed without the map.
 */
export async function bundle(entry: keyof typeof ENTRIES): Promise<{ code: string; map: string }> {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: [ENTRIES[entry]],
    outfile: join(CLIENT, `dist/${entry}.js`),
    bundle: true,
    format: "esm",
    target: TARGET,
    sourcemap: "external",
    external: ["react"],
    // The directive marks the hooks as client code for frameworks that render on a server.
    ...(entry === "react" ? { banner: { js: '"use client";' } } : {}),
    ...(entry === "index" || entry === "selective" ? { mangleProps: INNER } : {}),
    write: false,
    plugins: [
      {
        name: "library",
        setup: ({ onResolve, onLoad }) => {
          onResolve({ filter: /^\.\.\/connect\.ts$/ }, () => ({ path: "./selective.js", external: true }));
          // A module of its own, which the library loads only when it is needed.
          onResolve({ filter: /^\.\/fallback\.ts$/ }, () => ({ path: "./fallback.js", external: true }));
          if (entry !== "index") return;
          onLoad({ filter: /\/extent\.ts$/ }, () => ({ contents: "export const SELECTIVE = false;" }));
        },
      },
    ],
  });
  const [map = "", bundled = ""] = outputFiles.map(({ text }) => text);
  // esbuild makes variables of constants. Oxc writes the value of a constant in place of its name.
  const text = bundled.replaceAll(/^var (?=\w+ =)/gm, "const ");
  // Oxc minifies again: it reuses the same parameter names in all functions, which saves another 110 bytes.
  const options = { module: true, compress: { target: TARGET }, mangle: { toplevel: true } };
  const done = await minify(`${entry}.js`, text, { ...options, sourcemap: true, inputMap: JSON.parse(map) });
  if (done.errors.length > 0) throw new Error(`${entry} cannot be minified: ${done.errors[0]?.message}`);
  // Some bundlers look only for plain strings.
  const code = done.code.replaceAll(/import\(`([^`]+)`\)/g, 'import("$1")');
  return { code, map: JSON.stringify(done.map) };
}

/**
 * Empties this folder and writes the package to it. Throws an Error with the compiler's messages if types are
 * wrong.
 */
export async function build(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const entry of ["index", "react", "compact", "fallback", "selective"] as const) {
    const { code, map } = await bundle(entry);
    await writeFile(join(folder, `${entry}.js`), code);
    await writeFile(join(folder, `${entry}.js.map`), map);
  }
  await writeTypes(join(folder, "types"));
  await copyFile(join(CLIENT, "README.md"), join(folder, "README.md"));
  await copyFile(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  // compact.js contains this library.
  const library = dirname(fileURLToPath(import.meta.resolve("fflate/package.json")));
  await copyFile(join(library, "LICENSE"), join(folder, "LICENSE.fflate"));
  await writeFile(join(folder, "package.json"), `${JSON.stringify(await manifest(), null, 2)}\n`);
}

async function manifest(): Promise<object> {
  const own = JSON.parse(await readFile(join(CLIENT, "package.json"), "utf8")) as Record<string, unknown>;
  const { name, version, peerDependencies, peerDependenciesMeta } = own;
  return {
    name,
    version,
    description: "Client for odin-ws gateways, with React hooks",
    license: "MIT",
    type: "module",
    sideEffects: false,
    exports: {
      ".": { types: "./types/client/src/index.d.ts", default: "./index.js" },
      "./fallback": { types: "./types/client/src/fallback.d.ts", default: "./fallback.js" },
      "./selective": { types: "./types/client/src/selective.d.ts", default: "./selective.js" },
      "./compact": { types: "./types/client/src/compact.d.ts", default: "./compact.js" },
      "./react": { types: "./types/client/src/react/index.d.ts", default: "./react.js" },
    },
    peerDependencies,
    peerDependenciesMeta,
  };
}

/**
 * Writes the type declarations of the library and of the protocol, which import each other by relative paths.
 */
async function writeTypes(folder: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "odin-types-"));
  try {
    const config = join(scratch, "tsconfig.json");
    const compilerOptions = {
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: ROOT,
      outDir: folder,
      lib: ["es2024", "dom"],
      typeRoots: [join(ROOT, "node_modules/@types")],
      // Without this path TypeScript would find the protocol in node_modules, and write no declarations for
      // it.
      paths: { "@odin-ws/protocol": [join(ROOT, PROTOCOL)] },
    };
    const files = Object.values(ENTRIES).map((entry) => join(ROOT, entry));
    const text = { extends: join(ROOT, "tsconfig.json"), compilerOptions, files, include: [] };
    await writeFile(config, JSON.stringify(text));
    const tsc = fileURLToPath(new URL("bin/tsc", import.meta.resolve("typescript/package.json")));
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", config], { encoding: "utf8" });
    if (status !== 0) throw new Error(`the types do not compile:\n${stdout}${stderr}`);
  } finally {
    await rm(scratch, { recursive: true });
  }
  for (const name of await readdir(folder, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const file = join(folder, name);
    const protocol = relative(dirname(file), join(folder, PROTOCOL.replace(/\.ts$/, ".js")));
    const text = (await readFile(file, "utf8"))
      .replaceAll(/(from|import\() ?"@odin-ws\/protocol"/g, `$1 "${protocol}"`)
      .replaceAll(/((?:from|import\() ?"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"');
    await writeFile(file, text);
  }
}

if (import.meta.main) {
  const folder = join(CLIENT, "dist");
  await build(folder);
  process.stdout.write(`${relative(process.env.INIT_CWD ?? process.cwd(), folder) || folder}\n`);
}
