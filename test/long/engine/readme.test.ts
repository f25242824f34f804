/** Runs the commands of pulumi that README gives to backends, in the real engine. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { withoutEngine } from "../../engine/engine.ts";
import { repository } from "../../engine/repository.ts";
import { IMAGE, repositoryStack } from "../../engine/repository-stack.ts";
import { suiteOwner } from "../../harness/owner.ts";

const readme = readFileSync(join(repository, "README.md"), "utf8");
const [, behind = ""] = readme.split("### Publish from your backend\n");
const section = behind.split(/^### /m)[0] ?? "";

/** The command of the section that matches. */
function command(pattern: RegExp): string {
  const [found] = pattern.exec(section) ?? [];
  assert.ok(found !== undefined, `README has no command ${pattern}`);
  return found;
}

describe("README: publish from your backend", { skip: withoutEngine() }, () => {
  const owner = suiteOwner();

  test("the ranges and the network of a backend are set, and the outputs lead to NATS", async () => {
    const { stack, cloud } = await repositoryStack(owner, "prod", { serverImage: IMAGE("a") });
    const setRange = command(/pulumi config set --path 'publisherRanges\[0\]' \S+ --stack prod/);
    await stack.shell(setRange);
    const network = command(/projects\/my-backend\/global\/networks\/default/);
    await stack.shell(
      setRange.replace(/publisherRanges/, "publisherNetworks").replace(/ \S+ --stack/, ` ${network} --stack`),
    );
    const { exitCode, output } = await stack.up();
    assert.equal(exitCode, 0, output);
    const peering = cloud.one("gcp:compute/networkPeering:NetworkPeering");
    assert.match(String(peering.inputs.peerNetwork), new RegExp(`${network}$`));
    const [, range = ""] = / (\S+) --stack/.exec(setRange) ?? [];
    const open = cloud.all("gcp:compute/firewall:Firewall").map(({ inputs }) => inputs.sourceRanges);
    assert.ok(JSON.stringify(open).includes(range), JSON.stringify(open));
    const account = await stack.shell(command(/pulumi stack output publisherAccount/));
    assert.match(account, /@test-project\.iam\.gserviceaccount\.com$/m);
    const url = command(/pulumi stack output natsUrl --show-secrets --stack prod/);
    assert.match(await stack.shell(url), /^tls:\/\/publisher:[^@]+@[\d.]+:4222(,|$)/m);
    const ca = command(/pulumi stack output natsCa --stack prod/);
    assert.match(await stack.shell(ca), /^-----BEGIN certPem-----$/m); // of the fake cloud
  });

  test("with Synadia, the credentials of the gateways come from a file", async () => {
    const { stack, cloud } = await repositoryStack(owner, "prod", {
      serverImage: IMAGE("a"),
      nats: "synadia",
    });
    const set = command(/pulumi config set --secret natsCredentials --stack prod < gateway\.creds/);
    const block = (name: string, text: string) =>
      `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
    const creds = `${block("NATS USER JWT", "a.b.c")}\n${block("USER NKEY SEED", "SUA")}`;
    await stack.shell(`printf '%s' '${creds}' > gateway.creds\n${set}\nrm gateway.creds`);
    const { exitCode, output } = await stack.up();
    assert.equal(exitCode, 0, output);
    const { inputs } = cloud.one("gcp:secretmanager/secretVersion:SecretVersion", "nats-credentials-version");
    assert.match(String(inputs.secretData), /^-----BEGIN NATS USER JWT-----\na\.b\.c/);
  });
});
