/**
 * Saves the stacks of the checkout that this script lies in, for test/long/engine/released.test.ts. The
 * header of that test says when and how to run the script.
 */

import type { Owner } from "../../harness/owner.ts";
import { repositoryStack } from "../repository-stack.ts";
import { RELEASED, writeReleased } from "./stacks.ts";

const disposals: (() => Promise<void> | void)[] = [];
const owner: Owner = { after: (dispose) => disposals.push(dispose) };
try {
  for (const [name, { plain, secret }] of Object.entries(RELEASED)) {
    const { stack } = await repositoryStack(owner, name, plain);
    if (Object.keys(secret).length > 0) await stack.configure({}, secret);
    const run = await stack.up();
    if (run.exitCode !== 0) throw new Error(run.output);
    writeReleased(name, await stack.pulumi("stack", "export", "--show-secrets"));
  }
} finally {
  for (const dispose of disposals.reverse()) await dispose();
}
