import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { contentVersion, contextFiles, prepareContext } from "./image-context.ts";

const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const IGNORE = "# what is built\n*\n!server\n!package.json\n\n**/node_modules\n**/*.test.ts\nserver/bench\n";

const FILES = {
  ".dockerignore": IGNORE,
  Dockerfile: "FROM scratch\n",
  "package.json": "{}",
  "README.md": "not built",
  "server/main.ts": "start()",
  "server/main.test.ts": "test()",
  "server/bench/bench.ts": "bench()",
  "server/bench.ts": "built",
  "server/src/a/deep.ts": "deep()",
  "server/src/node_modules/x/index.js": "x()",
};

function tree(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "odin-context-"));
  folders.push(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const version = (files: Record<string, string>, buildArgs?: Record<string, string>) =>
  contentVersion({ root: tree(files), dockerfile: "Dockerfile", ...(buildArgs ? { buildArgs } : {}) });

test("the files that .dockerignore includes, sorted", () => {
  assert.deepEqual(contextFiles(tree(FILES)), [
    "package.json",
    "server/bench.ts",
    "server/main.ts",
    "server/src/a/deep.ts",
  ]);
});

test("the gateway's sources, without tests and without built or installed files", () => {
  const root = join(import.meta.dirname, "../..");
  const files = contextFiles(root);
  for (const path of [
    ".npmrc",
    "package.json",
    "package-lock.json",
    "server/build.ts",
    "server/src/main.ts",
  ]) {
    assert.ok(files.includes(path), path);
  }
  const folders = new Set(files.filter((path) => path.includes("/")).map((path) => path.split("/")[0]));
  assert.deepEqual([...folders], ["protocol", "publisher", "server", "settings"]);
  for (const path of files)
    assert.doesNotMatch(path, /(^|\/)(node_modules|dist|bench|Dockerfile)(\/|$)|\.test\.ts$|\.md$/);
  assert.match(contentVersion({ root, dockerfile: "server/Dockerfile" }), /^[0-9a-f]{12}$/);
});

test("the version changes with every file and argument that reaches the builder", () => {
  const first = version(FILES);
  assert.match(first, /^[0-9a-f]{12}$/);
  for (const change of [
    { "server/main.ts": "stop()" },
    { "server/new.ts": "" },
    { Dockerfile: "FROM base\n" },
    { "package.json": "{ }" },
  ]) {
    assert.notEqual(version({ ...FILES, ...change }), first, JSON.stringify(change));
  }
  const { "server/bench.ts": _, ...fewer } = FILES;
  assert.notEqual(version(fewer), first);
  assert.notEqual(version({ ...fewer, "server/renamed.ts": "built" }), first);
  assert.notEqual(version(FILES, { BASE_IMAGE: "base@sha256:1" }), first);
  assert.notEqual(
    version(FILES, { BASE_IMAGE: "base@sha256:1" }),
    version(FILES, { BASE_IMAGE: "base@sha256:2" }),
  );
});

test("the version does not change with anything else", () => {
  const first = version(FILES);
  assert.equal(version(Object.fromEntries(Object.entries(FILES).reverse())), first);
  assert.equal(version({ ...FILES, "README.md": "", "docs/x.md": "", "server/x.test.ts": "" }), first);
  assert.equal(version({ ...FILES, ".dockerignore": `${IGNORE}**/dist\n` }), first);
  const root = tree(FILES);
  chmodSync(join(root, "server/main.ts"), 0o755);
  utimesSync(join(root, "server/main.ts"), 0, 0);
  assert.equal(contentVersion({ root, dockerfile: "Dockerfile" }), first);
  assert.equal(version(FILES, { A: "1", B: "2" }), version(FILES, { B: "2", A: "1" }));
});

test("different trees have different versions", () => {
  const name = fc.stringMatching(/^[a-z]{1,3}$/);
  const trees = fc.dictionary(name, fc.string({ maxLength: 3 }), { maxKeys: 3 });
  const seen = new Map<string, string>();
  fc.assert(
    fc.property(trees, (files) => {
      const sources = Object.entries(files).map(([path, content]) => [`server/${path}`, content]);
      const key = JSON.stringify(sources.sort());
      const found = version({
        ".dockerignore": "*\n!server",
        Dockerfile: "",
        "server/x.ts": "",
        ...Object.fromEntries(sources),
      });
      assert.equal(seen.get(found) ?? key, key);
      seen.set(found, key);
    }),
    { numRuns: 50 },
  );
  assert.ok(seen.size > 20);
});

test("the context is a copy with fixed modes, made only once", () => {
  const root = tree(FILES);
  chmodSync(join(root, "server/main.ts"), 0o775);
  const folder = join(tree({}), "made");
  const args = { root, dockerfile: "Dockerfile", buildArgs: { A: "1" } };
  const before = process.umask(0o077);
  const source = prepareContext(args, folder);
  process.umask(before);
  const target = join(folder, source.version);
  assert.deepEqual(source, {
    context: relative(".", target),
    dockerfile: `${relative(".", target)}/Dockerfile`,
    buildArgs: { A: "1" },
    version: contentVersion(args),
  });
  assert.deepEqual(readdirSync(folder), [source.version]);
  assert.equal(statSync(target).mode & 0o777, 0o755);
  const copied = readdirSync(target, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = copied.map((entry) => relative(target, join(entry.parentPath, entry.name)));
  assert.deepEqual(paths.sort(), ["Dockerfile", ...contextFiles(root)].sort());
  for (const path of paths) {
    assert.equal(statSync(join(target, path)).mode & 0o777, 0o644, path);
    assert.equal(readFileSync(join(target, path), "utf8"), FILES[path as keyof typeof FILES]);
  }
  writeFileSync(join(target, "mark"), "");
  assert.deepEqual(prepareContext(args, folder), source);
  assert.ok(readdirSync(target).includes("mark"));
});

test("ambiguous ignore files and symbolic links are refused", () => {
  const refused = (ignore: string, reason: RegExp) =>
    assert.throws(() => contextFiles(tree({ ...FILES, ".dockerignore": ignore })), reason);
  refused("!server\n", /\.dockerignore:1: "!server" is the first pattern, which must be \*/);
  refused("*\n**/dist\n!server\n", /\.dockerignore:3: "!server" includes files that a line above/);
  refused("*\n!serv*\n", /\.dockerignore:2: "!serv\*" must be ! and a plain path/);
  refused("*\n!server\n[a-z].ts\n", /\.dockerignore:3: "\[a-z\]\.ts" has characters that/);
  refused("*\n!client\n", /client, which \.dockerignore includes, is not in/);
  const root = tree(FILES);
  symlinkSync("main.ts", join(root, "server/link.ts"));
  assert.throws(() => contextFiles(root), /server\/link\.ts is a symbolic link/);
  rmSync(join(root, "server/link.ts"));
  symlinkSync("main.ts", join(root, "server/node_modules"));
  assert.equal(contextFiles(root).length, 4);
});
