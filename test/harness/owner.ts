/** Who disposes of what a test started: a test's context, or a suite for what its tests share. */

import { after } from "node:test";

export interface Owner {
  after(dispose: () => Promise<void> | void): void;
}

/** Call it in the body of `describe`: what it owns lives until the suite's last test is over, last started goes first. */
export function suiteOwner(): Owner {
  const disposals: (() => Promise<void> | void)[] = [];
  after(async () => {
    const failures: unknown[] = [];
    // One failed disposal must not leave the rest running.
    for (const dispose of disposals.reverse()) {
      try {
        await dispose();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, failures.join("\n"));
  });
  return { after: (dispose) => disposals.push(dispose) };
}
