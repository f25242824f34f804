import assert from "node:assert/strict";
import { test } from "node:test";
import * as pulumi from "@pulumi/pulumi";
import { record } from "../offline/offline.ts";
import { RolloutGate } from "./rollout-gate.ts";

const COMMAND = "command:local:Command";

test("the same command at creation and update, no command at deletion, output on the console", async () => {
  const { inputs } = (await gate()).one(COMMAND);
  assert.deepEqual(inputs, {
    create: "npm run smoke",
    update: "npm run smoke",
    environment: { URL: "ws://203.0.113.10:3004/ws", TOKEN: "a token" },
    triggers: ["template 1"],
    logging: "stdoutAndStderr",
    addPreviousOutputInEnv: false,
  });
});

test("the whole environment and the output are secrets", async () => {
  const options: pulumi.CustomResourceOptions[] = [];
  const { one, result } = await gate((args) => {
    if (args.type === COMMAND) options.push(args.opts);
    return undefined;
  });
  assert.deepEqual(one(COMMAND).secrets.sort(), ["environment.TOKEN", "environment.URL"]);
  assert.deepEqual(options[0]?.additionalSecretOutputs, ["environment", "stdout", "stderr"]);
  assert.equal(await pulumi.isSecret(result.result), true);
});

test("the command runs after the resource that triggers it", async () => {
  const { one } = await record(() => {
    class Rollout extends pulumi.CustomResource {
      constructor() {
        super("test:index:Rollout", "rollout", {});
      }
    }
    return new RolloutGate("gate", {
      command: "npm run smoke",
      environment: {},
      triggers: [new Rollout().id],
    });
  });
  assert.ok(one(COMMAND).dependencies.includes(one("test:index:Rollout").urn));
});

function gate(transformation?: pulumi.ResourceTransformation) {
  return record(
    () =>
      new RolloutGate(
        "gate",
        {
          command: "npm run smoke",
          environment: { URL: "ws://203.0.113.10:3004/ws", TOKEN: pulumi.secret("a token") },
          triggers: ["template 1"],
        },
        transformation ? { transformations: [transformation] } : {},
      ),
  );
}
