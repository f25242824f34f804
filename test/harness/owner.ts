/**
 * Owners end the servers and connections that tests start: a test's context, or a suite whose tests share
 * them.
 */

import { after } from "node:test";

export interface Owner {
  after(dispose: () => Promise<void> | void): void;
}

/**
 * An owner that disposes of its things after the suite's last test, in the reverse order of their start. Call
 * it in the body of `describe`.
 */
export function suiteOwner(): Owner {
  const disposals: (() => Promise<void> | void)[] = [];
  after(async () => {
    const failures: unknown[] = [];
    // The others must be disposed of even when one disposal fails.
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
