import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { repositoryFolder } from "./record-stack.ts";
import { readStack, StackConfigError, stackNames } from "./stack-config.ts";

const PROJECT = `name: app
runtime: nodejs
config:
  size: { type: integer, default: 3 }
  zones: { type: array, items: { type: string }, default: [] }
  jwtSecret: { type: string, default: "" }
  gateway: { type: object, default: {} }
  strict: { type: boolean, default: false }
  owner: { type: string }
  gcp:region: us-central1
`;

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "odin-stacks-"));
  writeFileSync(join(folder, "Pulumi.yaml"), PROJECT);
});
afterEach(() => rmSync(folder, { recursive: true }));

function read(yaml: string) {
  writeFileSync(join(folder, "Pulumi.prod.yaml"), yaml);
  return readStack(folder, "prod");
}
function mistakes(yaml: string): string[] {
  try {
    read(yaml);
  } catch (error) {
    assert.ok(error instanceof StackConfigError, String(error));
    return error.mistakes;
  }
  return [];
}
const BASE = "config:\n  gcp:project: mine\n  app:owner: me\n  app:gateway: { AUTH_MODE: none }\n";

describe("merging", () => {
  test("the stack's values, then the project's values and defaults; lists and maps as JSON", () => {
    const { config, project, secretKeys, notes } = read(`${BASE}  app:zones: [a, b]\n  app:strict: true\n`);
    assert.deepEqual(config, {
      "gcp:project": "mine",
      "app:owner": "me",
      "app:gateway": '{"AUTH_MODE":"none"}',
      "app:zones": '["a","b"]',
      "app:strict": "true",
      "app:size": "3",
      "app:jwtSecret": "",
      "gcp:region": "us-central1",
    });
    assert.deepEqual([project, secretKeys, notes], ["app", [], []]);
  });

  test("keys without a namespace belong to the project", () => {
    const { config } = read("config:\n  gcp:project: mine\n  owner: you\n  gateway: { AUTH_MODE: none }\n");
    assert.equal(config["app:owner"], "you");
  });
});

describe("stand-ins", () => {
  test("a missing project and a missing secret get a stand-in and a note each", () => {
    const { config, secretKeys, notes } = read("config:\n  app:owner: me\n");
    assert.equal(config["gcp:project"], "preview-project");
    assert.ok((config["app:jwtSecret"] ?? "").length >= 32);
    assert.deepEqual(secretKeys, ["app:jwtSecret"]);
    assert.deepEqual(notes, [
      "gcp:project is not set: shown with a stand-in (pulumi config set gcp:project PROJECT --stack prod)",
      "jwtSecret is not set: shown with a stand-in (pulumi config set --secret jwtSecret --stack prod)",
    ]);
  });

  test("encrypted values get stand-ins, also within maps, and their keys become secret", () => {
    const { config, secretKeys, notes } = read(
      `config:\n  gcp:project: mine\n  app:owner: me\n  app:jwtSecret: { secure: v1:x }\n  app:gateway: { A: { secure: v1:y }, B: 1 }\n`,
    );
    assert.deepEqual(secretKeys, ["app:jwtSecret", "app:gateway"]);
    assert.doesNotMatch(JSON.stringify(config), /v1:/);
    assert.equal((JSON.parse(config["app:gateway"] ?? "") as { B: number }).B, 1);
    assert.deepEqual(notes, [
      "jwtSecret is encrypted: shown with a stand-in",
      "gateway.A is encrypted: shown with a stand-in",
    ]);
  });

  test("jwtSecret gets no stand-in when the gateway has another key, or needs none", () => {
    for (const gateway of ["{ JWKS_URL: https://x }", "{ JWT_PUBLIC_KEY: k }", "{ AUTH_MODE: none }"]) {
      const { notes } = read(`config:\n  gcp:project: mine\n  app:owner: me\n  app:gateway: ${gateway}\n`);
      assert.deepEqual(notes, [], gateway);
    }
  });
});

describe("mistakes", () => {
  test("wrong types and missing values are reported", () => {
    assert.deepEqual(mistakes("config:\n  app:size: many\n  app:zones: a\n"), [
      'Pulumi.prod.yaml: app:size must be of type integer, not "many"',
      'Pulumi.prod.yaml: app:zones must be of type array, not "a"',
      "Pulumi.prod.yaml: app:owner is missing and has no default; set it with pulumi config set",
    ]);
    assert.deepEqual(mistakes(`${BASE}  app:size: "4"\n  app:strict: "false"\n`), []);
  });

  test("a file that is not YAML, an empty file, and an unknown stack are errors", () => {
    assert.match(mistakes("config: [\n")[0] ?? "", /^Pulumi\.prod\.yaml: /);
    assert.match(mistakes("- a\n")[0] ?? "", /not a map/);
    assert.match(mistakes("")[0] ?? "", /owner is missing/);
    writeFileSync(join(folder, "Pulumi.staging.yaml"), "");
    assert.throws(() => readStack(folder, "live"), /no Pulumi\.live\.yaml; there are prod, staging/);
  });
});

test("the stacks of this repository", () => {
  const names = stackNames(repositoryFolder);
  for (const name of ["capacity", "prod", "staging"]) assert.ok(names.includes(name), name);
  assert.deepEqual(names, names.toSorted());
});
