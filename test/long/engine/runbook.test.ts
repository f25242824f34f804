/** Runs the commands of docs/runbook.md in the real engine. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { withoutEngine } from "../../engine/engine.ts";
import { repository } from "../../engine/repository.ts";
import {
  AUTOSCALER,
  GROUP,
  IMAGE,
  inWords,
  type RepositoryStack,
  repositoryStack,
  SECRET,
  TEMPLATE,
} from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

const runbook = readFileSync(join(repository, "docs/runbook.md"), "utf8");
const VERSION = "gcp:secretmanager/secretVersion:SecretVersion";

/** Commands that the text only mentions. */
const MENTIONS = [
  "pulumi config set",
  "pulumi destroy",
  "pulumi refresh",
  "pulumi login gs://PROJECT-odin-pulumi",
  "pulumi preview",
  "pulumi up",
  "pulumi up --replace",
  "pulumi up --refresh",
];

/** Commands of `pulumi` in a text: lines of shell blocks without comments, and code in sentences. */
function pulumiCommands(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = ""]) =>
    block.split("\n"),
  );
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/`(pulumi [^`]+)`/g)];
  const lines = blocks.map((line) => line.replace(/\s+#.*$/, "").trim());
  return [...lines.filter((line) => /\bpulumi /.test(line)), ...inline.map(([, code = ""]) => code)];
}

/** The part below a heading. */
function section(title: string): string {
  const [, text] = runbook.split(new RegExp(`^#+ ${title}\n`, "m"));
  assert.ok(text !== undefined, `no section '${title}'`);
  return text.split(/^#{2,3} /m)[0] ?? "";
}

describe("runbook", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();
  const typed = new Set<string>();
  let prod: RepositoryStack;

  before(async () => {
    const domain = { domain: "live.example.com", dnsZone: "example-com" };
    prod = await repositoryStack(owner, "prod", { ...domain, serverImage: IMAGE("a") });
    await prod.stack.configure({}, { alertWebhook: "https://alerts.example.com/one" });
    const run = await prod.stack.up();
    assert.equal(run.exitCode, 0, run.output);
  });
  beforeEach(() => {
    prod.cloud.takeOperations();
  });

  /**
   * Runs a command that a section must contain. `change` replaces a placeholder in the command, or adds input
   * to it.
   */
  async function type(title: string, command: string, change = (text: string) => text): Promise<string> {
    assert.ok(pulumiCommands(section(title)).includes(command), `'${title}' has no command '${command}'`);
    typed.add(command);
    const names = ["export STACK=prod PREFIX=odin-prod PROJECT=test-project REGION=us-central1"];
    return prod.stack.shell([...names, change(command)].join("\n"));
  }
  const did = () => inWords(prod.cloud.takeOperations());
  const running = () =>
    (prod.cloud.one(TEMPLATE).inputs.metadata as Record<string, string>)["odin-image-gateway"];
  const typedIn = (text: string) => (command: string) => `${command} <<< '${text}'`;
  const UP = "pulumi up --stack $STACK";
  const withPreview = (command: string) => `export PREVIEW=yes\n${command}`;

  test("the commands of 'Before anything'", async () => {
    const title = "Before anything";
    const [project = ""] = pulumiCommands(section(title));
    const typedLine = (command: string) => `${command.replace(/\s+#.*$/, "")}\necho $PROJECT $REGION`;
    assert.match(await type(title, project, typedLine), /^test-project us-central1$/m);
    const url = /pulumi stack output url --stack \$STACK/.exec(section(title))?.[0] ?? "";
    assert.match(await prod.stack.shell(`export STACK=prod\n${url}`), /^ws:\/\/[\d.]+:3004\/ws$/m);
  });

  test("from another checkout, the limit is raised with one update, which is printed as the page shows", async () => {
    const title = "Autoscaler at its maximum";
    // Only CI's own checkout has the image in its configuration.
    await type("Before anything", "pulumi config rm serverImage --stack $STACK");
    await type(title, "pulumi config set maxInstances 8 --stack $STACK");
    const output = await type(title, UP);
    assert.deepEqual(did(), ["update RegionAutoscaler gateway-autoscaler"]);
    const [, excerpt = ""] = /^```\n(.*RegionAutoscaler.*)$/m.exec(section(title)) ?? [];
    const squeezed = (text: string) => text.trim().replaceAll(/\s+/g, " ");
    assert.ok(squeezed(output).includes("gcp:compute:RegionAutoscaler gateway-autoscaler update"), output);
    assert.ok(output.includes(`the gateways keep the image ${IMAGE("a")}`), output);
    assert.match(squeezed(excerpt), /^~ gcp:compute:RegionAutoscaler gateway-autoscaler update/);
  });

  test("back to an earlier image, and forward again", async () => {
    const title = "Roll back";
    const [set = ""] = pulumiCommands(section(title));
    const digest = `sha256:${"b".repeat(64)}`;
    await type(title, set, (command) => command.replace("sha256:…", digest));
    const output = await type(title, `ODIN_CANARY=skip ${UP}`);
    assert.equal(running(), `us-central1-docker.pkg.dev/test-project/odin-prod-images/gateway@${digest}`);
    assert.match(output, /gateway-template/);
    await type(title, "pulumi config rm serverImage --stack $STACK");
    const flag = "pulumi config set --path gateway.WS_MAX_CONNECTIONS 8000 --stack $STACK";
    await type(title, flag);
    await type(title, "pulumi up");
    assert.equal(
      (prod.cloud.one(TEMPLATE).inputs.metadata as Record<string, string>)["odin-env-WS_MAX_CONNECTIONS"],
      "8000",
    );
    did();
    await type(title, "pulumi up");
    assert.deepEqual(did(), [], "the image stays");
    await type(title, "pulumi config set serverImage build --stack $STACK");
    await type(title, "pulumi up");
    assert.notEqual(running(), `us-central1-docker.pkg.dev/test-project/odin-prod-images/gateway@${digest}`);
    assert.ok(did().includes("create Command gateway-image-build"));
  });

  test("the key of the clients' tokens without a disconnect, and the webhook from a prompt", async () => {
    const title = "Rotate a secret";
    const [keep = "", next = "", ...more] = pulumiCommands(section(title)).filter((text) =>
      /jwtSecret/.test(text),
    );
    await type(title, keep);
    await type(title, next);
    await type(
      title,
      "pulumi config set --secret alertWebhook --stack $STACK",
      typedIn("https://alerts.example.com/two"),
    );
    await type(title, UP);
    const key = (name: string) => prod.cloud.one(VERSION, name).inputs.secretData;
    assert.equal(key("jwt-secret-previous-version"), SECRET);
    assert.match(String(key("jwt-secret-version")), /^[\w+/=]{64}$/);
    assert.ok(JSON.stringify(prod.cloud.resources.map(({ inputs }) => inputs)).includes("example.com/two"));
    assert.ok(did().includes("update RegionInstanceGroupManager gateway-group"));
    for (const command of more) await type(title, command);
    await type(title, UP);
    assert.deepEqual(
      prod.cloud.all(VERSION).filter(({ name }) => /previous/.test(name)),
      [],
    );
    did();
  });

  test("a password of our own NATS", async () => {
    const title = "Rotate a secret";
    const password = () =>
      String(prod.cloud.one("random:index/randomPassword:RandomPassword", "nats-gateway").state.result);
    const before = password();
    const [find = "", replace = ""] = pulumiCommands(section(title)).filter((text) => /urn/.test(text));
    const urn = /urn:pulumi:\S+::nats-gateway\b/.exec(await type(title, find))?.[0] ?? "";
    assert.ok(urn, "the URN");
    await type(title, replace, (command) => withPreview(command.replace(/'urn:[^']*'/, `'${urn}'`)));
    assert.notEqual(password(), before);
    const done = did();
    for (const step of ["update Instance nats-0", "update RegionInstanceGroupManager gateway-group"])
      assert.ok(done.includes(step), done.join("\n"));
    assert.match(
      await type(title, "pulumi stack output natsUrl --show-secrets --stack $STACK"),
      /^(nats|tls):\/\/publisher:\w+@/m,
    );
  });

  test("credentials of an external NATS, from a file", async () => {
    const title = "Rotate a secret";
    const claims = Buffer.from('{"exp":1790000000}').toString("base64url");
    await writeFile(join(prod.stack.folder, "new.creds"), `-----BEGIN NATS USER JWT-----\nnew.${claims}.s\n`);
    await type(title, "pulumi config set --secret natsCredentials --stack $STACK < new.creds");
    assert.match(await prod.stack.pulumi("config", "get", "natsCredentials"), /NATS USER JWT-----\nnew\./);
    const expiring = "NATS credentials expiring";
    const [read = ""] = pulumiCommands(section(expiring)).filter((text) => /config get/.test(text));
    assert.match(await type(expiring, read), /^"exp":1790000000$/m);
    await prod.stack.pulumi("config", "rm", "natsCredentials");
  });

  test("another machine type when the first one is not available", async () => {
    const title = "No machines available";
    await type(title, "pulumi config set machineType n2-standard-2 --stack $STACK");
    await type(title, "pulumi up");
    assert.equal(prod.cloud.one(TEMPLATE).inputs.machineType, "n2-standard-2");
  });

  test("a broken VM is replaced, and its data disk stays", async () => {
    const title = "Monitoring itself down";
    const [list = ""] = pulumiCommands(section(title)).filter((text) => /--show-urns/.test(text));
    const urns = await type(title, list);
    const urn = /urn:pulumi:\S+instance:Instance::monitoring\b/.exec(urns)?.[0] ?? "";
    assert.ok(urn, urns);
    await prod.stack.shell(withPreview(`pulumi up --replace '${urn}'`));
    const done = did();
    assert.ok(
      done.includes("create Instance monitoring") && done.includes("delete Instance monitoring"),
      done.join("\n"),
    );
    assert.deepEqual(
      done.filter((step) => / (Disk|AttachedDisk) /.test(step) && step.startsWith("delete Disk")),
      [],
    );
  });

  test("monitoring in another zone: the VM and its disk are replaced, and the bucket of the logs stays", async () => {
    const title = "The zone of monitoring is lost";
    const zones = () =>
      prod.cloud.resources
        .filter(({ type, name }) => /:(Instance|Disk)$/.test(type) && /^monitoring(-data)?$/.test(name))
        .map(({ inputs }) => inputs.zone);
    const bucket = () => prod.cloud.one("gcp:storage/bucket:Bucket", "monitoring-logs").id;
    const [set = "", list = "", unprotect = "", ...others] = pulumiCommands(section(title));
    assert.ok(others.includes(UP));
    const [before, groups] = [bucket(), prod.cloud.all(GROUP).map(({ id }) => id)];
    assert.deepEqual(zones(), ["us-central1-a", "us-central1-a"]);
    await type(title, set);
    await assert.rejects(type(title, UP, withPreview), /monitoring-data.*marked for protection/s);
    const urn = /urn:pulumi:\S+::monitoring-data\b/.exec(await type(title, list))?.[0] ?? "";
    await type(title, unprotect, (command) => command.replace(/'urn:[^']*'/, `'${urn}'`));
    // What `gcloud compute instances delete` does.
    const vm = prod.cloud.one("gcp:compute/instance:Instance", "monitoring");
    await prod.cloud.delete(urn.replace(/gcp:compute.*/, `${vm.type}::${vm.name}`), vm.id, 0);
    did();
    await type(title, UP, withPreview);
    assert.deepEqual(zones(), ["us-central1-b", "us-central1-b"]);
    assert.equal(bucket(), before);
    assert.deepEqual(
      prod.cloud.all(GROUP).map(({ id }) => id),
      groups,
    );
    const done = did();
    const deleted = done.filter(
      (step) => step.startsWith("delete ") && !/ (Command|InstanceTemplate) /.test(step),
    );
    assert.deepEqual(deleted.sort(), [
      "delete Disk monitoring-data",
      "delete DiskResourcePolicyAttachment monitoring-data-snapshots",
    ]);
  });

  test("commands that only read, and commands that compare with the cloud", async () => {
    const history = "pulumi stack history --stack $STACK --page-size 3";
    for (const title of ["All gateways down", "Restart loop", "Clients rejected"])
      assert.match(await type(title, history), /succeeded/i);
    await type("NATS certificate expiring", "pulumi config get serverImage --stack $STACK");
    assert.match(
      await type("NATS certificate expiring", "pulumi stack output natsCa --stack $STACK"),
      /BEGIN/,
    );
    await type("Certificate expiring", "pulumi stack output dnsRecords --json --stack $STACK");
    await type("All gateways down", "pulumi up --refresh --stack $STACK");
    await type("NATS unreachable", UP);
    await type("Configuration refused", UP);
    did();
    await type("Restore a data disk from a snapshot", "pulumi preview --stack $STACK");
    assert.deepEqual(did(), []);
    await type("The home region is down", "pulumi stack init prod-b");
    await prod.stack.pulumi("stack", "select", "prod");
  });

  test("names that the runbook builds from the prefix exist in the cloud", () => {
    const { cloud } = prod;
    const names = new Set(
      cloud.resources.flatMap(({ inputs, state }) =>
        [inputs.name, state.name, inputs.secretId, inputs.repositoryId].map(String),
      ),
    );
    // Prod runs its own NATS; the secret exists with an external one.
    for (const [, name = ""] of runbook.matchAll(
      /(?:\$PREFIX|NATS=odin-prod)-([a-z][a-z0-9-]*)(?![a-z0-9"-])/g,
    ))
      assert.ok(names.has(`odin-prod-${name}`) || name === "nats-credentials", `odin-prod-${name}`);
  });

  test("a deployment that was killed: the lock, the recovery, and the next `up`", async () => {
    const title = "A deployment was killed";
    const recover = /npm run recover (-- --stack \$STACK)/.exec(section(title));
    assert.ok(recover);
    await prod.stack.configure({ minInstances: "3" });
    const held = prod.cloud.hold({ action: "update", type: AUTOSCALER, name: "gateway-autoscaler" });
    await prod.stack.kill(held.reached, "up");
    held.release();
    await assert.rejects(prod.stack.shell("pulumi up --stack prod"), /currently locked by 1 lock/);
    await type(title, "pulumi cancel --stack $STACK");
    const cli = join(repository, "stacks/recover/cli.ts");
    const printed = await prod.stack.shell(
      `export STACK=prod\nnode ${cli} ${recover[1]?.slice("-- ".length)}`,
    );
    assert.match(printed, /^prod: nothing was being created\. Continue with pulumi up\.$/m);
    await type(title, UP);
    assert.ok(did().includes("update RegionAutoscaler gateway-autoscaler"));
    assert.deepEqual((await prod.stack.preview()).steps, []);
  });

  test("a region is added, gets more gateways when another one is down, and is emptied and removed", async () => {
    const title = "Add or remove a region";
    const [zones = "", home = "", europe = "", limit = "", , url = "", drain = "", , remove = ""] =
      pulumiCommands(section(title)).filter((text) => !/^pulumi preview$/.test(text));
    const others = (command: string, letters: string) => (text: string) =>
      [...letters]
        .map((letter, index) =>
          text.replace("[0]", `[${index}]`).replace(/-[a-z] --stack/, `-${letter} --stack`),
        )
        .join("\n") || command;
    await type(title, zones);
    await type(title, home, others(home, "abc"));
    did();
    await type(title, UP);
    assert.deepEqual(did(), [], "the map with the home region alone changes nothing");
    await type(title, europe, others(europe, "bc"));
    await type(title, limit);
    await type(title, UP, withPreview);
    assert.ok(did().includes("create RegionInstanceGroupManager gateway-europe-west1-group"));
    assert.match(await type(title, url), /"global": "wss:\/\/live\.example\.com\/ws"/);

    const down = "A region is down";
    const [room = ""] = pulumiCommands(section(down));
    const skip = /ODIN_DRAIN=skip pulumi up --stack \$STACK/.exec(section(down))?.[0] ?? "false";
    await type(down, room);
    await type(down, UP);
    assert.deepEqual(did(), ["update RegionAutoscaler gateway-autoscaler"]);

    await type(title, drain);
    await prod.stack.shell(`export STACK=prod\n${skip}`);
    assert.ok(did().includes("update Command drain-europe-west1-group"));
    await type(title, remove);
    await type(title, UP, withPreview);
    assert.deepEqual(
      prod.cloud.resources.filter(({ name }) => name.includes("europe-west1")),
      [],
    );
    await prod.stack.pulumi("config", "rm", "regions");
    await prod.stack.shell(
      [..."abc"]
        .map((letter, index) => `pulumi config set --path 'zones[${index}]' us-central1-${letter}`)
        .join("\n"),
    );
    did();
  });

  const TAKE_DOWN = "Take down a stack or its domain";

  test("the domain is taken down: the entrance is deleted, and the rest stays", async () => {
    const [list = "", unprotect = ""] = pulumiCommands(section(TAKE_DOWN));
    const urn = /urn:pulumi:\S+::wss-address\b/.exec(await type(TAKE_DOWN, list))?.[0] ?? "";
    await prod.stack.pulumi("config", "set", "serverImage", running() ?? "");
    await type(TAKE_DOWN, unprotect, (command) => command.replace(/'urn:[^']*'/, `'${urn}'`));
    await type(TAKE_DOWN, "pulumi config rm domain --stack $STACK");
    await type(TAKE_DOWN, "pulumi config rm dnsZone --stack $STACK");
    await type(TAKE_DOWN, UP, withPreview);
    const done = did();
    assert.ok(done.includes("update RegionInstanceGroupManager gateway-group"), done.join("\n"));
    for (const type of [
      "Certificate wss-certificate-managed",
      "GlobalAddress wss-address",
      "RecordSet wss-domain",
    ])
      assert.ok(done.includes(`delete ${type}`), done.join("\n"));
    assert.deepEqual(
      prod.cloud.resources.filter(({ name }) => name.startsWith("wss")),
      [],
    );
    assert.deepEqual(
      prod.cloud.all(GROUP).map(({ name }) => name),
      ["gateway-canary-group", "gateway-group"],
    );
  });

  test("the whole stack is taken down: refused at first, and nothing remains", async () => {
    const refused = prod.stack.shell("pulumi destroy --stack prod");
    await assert.rejects(refused, /cannot be deleted\s+because it is protected/);
    assert.deepEqual(did(), []);
    await type(TAKE_DOWN, "pulumi state unprotect --all --yes --stack $STACK");
    await type(TAKE_DOWN, "pulumi destroy --stack $STACK");
    assert.deepEqual(prod.cloud.resources, []);
    await type(TAKE_DOWN, "pulumi stack rm $STACK --yes");
  });

  after(() => {
    const all = pulumiCommands(runbook).filter((command) => !MENTIONS.includes(command));
    assert.deepEqual(
      all.filter((command) => !typed.has(command)),
      [],
      "commands that no test has run",
    );
  });
});
