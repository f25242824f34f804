import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { preview } from "./preview.ts";
import { repositoryFolder } from "./record-stack.ts";
import { sampleProgram } from "./sample.fixture.ts";
import { stackNames } from "./stack-config.ts";

let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "odin-preview-"));
});
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the command line as npm does. */
function cli(...args: string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const file = fileURLToPath(new URL("./cli.ts", import.meta.url));
  const options = { cwd: repositoryFolder, timeout: 60_000, maxBuffer: 10_000_000 };
  execFile(process.execPath, [file, ...args], options, (error, stdout, stderr) => {
    resolve({ code: Number(error?.code ?? 0), stdout, stderr });
  });
  return promise;
}

const sample = { folder: repositoryFolder, load: async () => ({ default: () => sampleProgram() }) };
const options = (out: string) => ({
  stack: "prod",
  out,
  json: undefined,
  svg: undefined,
  trafficGib: undefined,
});

describe("a sample program", () => {
  test("prints the tree, the counts, the bill and the paths", async () => {
    const text = await preview(options(join(folder, "sample")), sample);
    assert.match(text, /^Stack prod: 23 resources in 1 components$/m);
    assert.match(text, /^network {2}Network\n {2}network {2}compute Network {2}name odin-sample$/m);
    assert.match(text, /^balancer-address .* protected$/m);
    assert.match(text, /^ {4}4 compute Firewall$/m);
    assert.match(
      text,
      /^gateways-group: 2 × e2-standard-2 … 5 × e2-standard-2 +97\.84 +244\.59 {3}2026-09-12$/m,
    );
    assert.match(text, /not verified: balanced disk/);
    assert.match(text, /^Who is notified of what\n {2}critical alerts: nobody\n {2}warnings: nobody$/m);
    assert.match(text, /diagram\.svg\nJSON: .*preview\.json\n$/);
  });

  test("files are written to the given paths, and none has a secret", async () => {
    const [svg, json] = [join(folder, "own", "a.svg"), join(folder, "own", "b.json")];
    const text = await preview({ ...options(folder), svg, json }, sample);
    const written = readFileSync(json, "utf8");
    for (const content of [text, written, readFileSync(svg, "utf8")])
      assert.ok(!content.includes("the-secret-itself"));
    const { resources } = JSON.parse(written) as {
      resources: { urn: string; type: string; inputs: { secretData?: string } }[];
    };
    const urns = resources.map(({ urn }) => urn);
    assert.deepEqual(urns, urns.toSorted()); // independent of the order in which the program registered them
    const version = resources.find(({ type }) => type === "gcp:secretmanager/secretVersion:SecretVersion");
    assert.equal(version?.inputs.secretData, "[secret]");
    assert.ok(!existsSync(join(folder, "diagram.svg")));
  });
});

describe("the stacks of this repository", () => {
  for (const stack of stackNames(repositoryFolder)) {
    test(`${stack}: offline, within 10 s, the same bytes twice`, async () => {
      const start = performance.now();
      const out = (name: string) => join(folder, stack, name);
      const first = await cli("--stack", stack, "--out", out("a"));
      assert.ok(performance.now() - start < 10_000, "slower than 10 s");
      assert.equal(first.code, 0, first.stderr);
      const second = await cli("--stack", stack, "--out", out("b"));
      // The printed paths differ in the name of the folder.
      assert.equal(second.stdout.replaceAll(join(stack, "b"), join(stack, "a")), first.stdout);
      for (const file of ["diagram.svg", "preview.json"])
        assert.ok(readFileSync(join(out("a"), file)).equals(readFileSync(join(out("b"), file))), file);
      const json = readFileSync(join(out("a"), "preview.json"), "utf8");
      assert.doesNotMatch(json, /preview-stand-in|offline-password|offline private key/);
      assert.doesNotMatch(first.stdout, /no price/);
    });
  }
});

describe("the command line", () => {
  test("mistakes in the arguments: exit code 2, a line for each mistake, and an example", async () => {
    const { code, stderr } = await cli("--stack", "live", "--traffic-gib", "much");
    assert.equal(code, 2);
    assert.deepEqual(stderr.trim().split("\n"), [
      `--stack must be one of ${stackNames(repositoryFolder).join(", ")}, not "live"`,
      '--traffic-gib must be a number from 0 to 1000000000000, not "much"',
      "npm run preview -- --help shows what is allowed",
    ]);
    assert.equal((await cli()).code, 2);
    assert.match((await cli("--stak", "prod")).stderr, /^--stak is not an option$/m);
  });

  test("--help names every option", async () => {
    const { code, stdout } = await cli("--help");
    assert.equal(code, 0);
    for (const name of ["--stack", "--traffic-gib", "--out", "--json", "--svg"])
      assert.ok(stdout.includes(name), name);
  });
});

test("mistakes that the program finds in its configuration are reported", async () => {
  const rejects = { folder: repositoryFolder, load: () => import("../index.ts") };
  const broken = mkdtempSync(join(folder, "broken-"));
  const { writeFileSync } = await import("node:fs");
  writeFileSync(join(broken, "Pulumi.yaml"), readFileSync(join(repositoryFolder, "Pulumi.yaml")));
  writeFileSync(
    join(broken, "Pulumi.prod.yaml"),
    "config:\n  odin-ws:maxInstances: 1\n  odin-ws:maxInstance: 4\n",
  );
  await assert.rejects(preview(options(folder), { ...rejects, folder: broken }), (error: Error) => {
    assert.match(error.message, /Pulumi\.prod\.yaml has \d mistakes/);
    assert.match(error.message, /gcp:region is missing/);
    assert.match(error.message, /minInstances is 2: at most maxInstances, which is 1/);
    assert.match(error.message, /maxInstance is not a key \(did you mean maxInstances\?\)/);
    return true;
  });
});
