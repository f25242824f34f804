/** Memory and open descriptors of gateways: neither may grow in a run. */

import type { Gateway } from "../../harness/gateway.ts";
import { eventually } from "../../harness/wait.ts";
import { openFiles } from "../faults/processes.ts";
import type { Violation } from "../model.ts";
import type { Site } from "./site.ts";

/** Memory and descriptors of one gateway. */
export interface Size {
  processes: number;
  /** Of its largest process. */
  rssBytes: number;
  /** Of all processes. */
  files: number;
  connections: number;
}

/** Memory of one process of a gateway, bytes. A new process has about 160 MB. */
const MAX_RSS_BYTES = 300 * 1024 * 1024;
/** Descriptors of one process beside those of its connections: libraries, pipes, NATS. */
const MAX_OTHER_FILES = 60;
/** Time in which a gateway closes what its last clients have left, ms. */
const PATIENCE_MS = 10_000;

/** The sizes of the gateways that run. */
export async function sizesOf(site: Site): Promise<Size[]> {
  const sizes = site.gateways.map(async (gateway) =>
    gateway === undefined || gateway.process.exit !== undefined ? [] : [await sizeOf(gateway)],
  );
  return (await Promise.all(sizes)).flat();
}

async function sizeOf(gateway: Gateway): Promise<Size> {
  const processes = gateway.process.processes();
  return {
    processes: processes.length,
    rssBytes: Math.max(...processes.map(({ rssBytes }) => rssBytes)),
    files: processes.reduce((sum, { pid }) => sum + openFiles(pid).length, 0),
    connections: (await gateway.stats()).connections,
  };
}

/** Everything that is wrong with the gateways at the end of a run. */
export async function checkGateways(site: Site): Promise<Violation[]> {
  const found = site.gateways.map(async (gateway, index) => {
    const report = (what: string) => [{ who: `gateway ${index}`, at: Date.now(), what }];
    if (gateway === undefined || gateway.process.exit !== undefined)
      return report(`is not running:\n${gateway?.process.tail() ?? ""}`);
    try {
      await gateway.health(200, PATIENCE_MS);
    } catch (error) {
      return report(`${error}`);
    }
    let problem = "";
    // A connection that has just ended may still be open here.
    await eventually(
      "normal size",
      async () => {
        const { processes, rssBytes, files, connections } = await sizeOf(gateway);
        problem = "";
        if (rssBytes > MAX_RSS_BYTES) problem = `has a process with ${rssBytes} bytes of memory`;
        if (files > connections + processes * MAX_OTHER_FILES)
          problem = `has ${files} open descriptors with ${connections} connections`;
        return problem === "";
      },
      PATIENCE_MS,
    ).catch(() => {});
    return problem === "" ? [] : report(problem);
  });
  return (await Promise.all(found)).flat();
}
