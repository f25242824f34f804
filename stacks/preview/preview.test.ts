import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { trafficFrom } from "../traffic/options.ts";
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
  traffic: trafficFrom({}),
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
    // 2 and 5 gateways of 8,000 connections.
    for (const users of ["16,000", "40,000"])
      assert.match(text, new RegExp(`^Traffic to ${users} users who are connected all month, `, "m"));
    assert.match(text, /^ {2}these users: 100 % compressed /m);
    assert.match(text, /^traffic: \d+ GiB to the internet … \d+ GiB to the internet$/m);
    assert.match(text, /^Who is notified of what\n {2}critical alerts: nobody\n {2}warnings: nobody$/m);
    assert.match(text, /diagram\.svg\nJSON: .*preview\.json\n$/);
  });

  test("traffic of given users, in given encodings, is part of the bill and of the JSON", async () => {
    const json = join(folder, "traffic.json");
    const given = { ...trafficFrom({ "message-bytes": 948, "messages-per-second": 1 }), users: 1000 };
    const messages = { ...given.messages, upkeepBytesPerSecond: 0 };
    const traffic = { ...given, messages, mix: { plain: 100 } };
    const text = await preview({ ...options(join(folder, "traffic")), json, traffic }, sample);
    assert.match(text, /^traffic: 2448 GiB to the internet +279\.52 +279\.52 /m);
    assert.match(text, /^Traffic to 1,000 users .* \(given on the command line; /m);
    const { traffic: tables, costs } = JSON.parse(readFileSync(json, "utf8"));
    assert.equal(tables.length, 1);
    assert.deepEqual(
      [tables[0].users, tables[0].rows[0].usd, tables[0].rows[0].usdForThousandUsers],
      [1000, 299.1, 299.1],
    );
    assert.ok(
      costs.lines.some(
        ({ part, most }: { part: string; most: { usd: number } }) =>
          part === "traffic" && most.usd === 279.52,
      ),
    );
    const unknown = { ...traffic, messages: { ...messages, bytes: {} } };
    const shown = await preview({ ...options(join(folder, "traffic")), json, traffic: unknown }, sample);
    assert.match(
      shown,
      /^traffic: traffic to the internet +\? +\? {3}no price: the bytes of a message are unknown/m,
    );
    assert.match(shown, /together, without items that have no price/);
    const { rows } = JSON.parse(readFileSync(json, "utf8")).traffic[0];
    assert.equal(rows[0].usd, null);
  });

  test("--traffic-gib replaces the computed traffic", async () => {
    const text = await preview({ ...options(join(folder, "traffic")), trafficGib: 100 }, sample);
    assert.match(text, /^traffic: 100 GiB to the internet +12\.00 +12\.00 /m);
    assert.doesNotMatch(text, /Traffic to/);
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
    for (const name of ["--stack", "--traffic-gib", "--users", "--encodings", "--out", "--json", "--svg"])
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
