import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConfigError, readConfig } from "./config.ts";
import { fitToMachine, type MachineLimits, machineLimits } from "./machine.ts";

const AMPLE: MachineLimits = { openFiles: 200_000, memoryBytes: 16e9 };

const fit = (limits: Partial<MachineLimits>, env: Record<string, string> = {}) =>
  fitToMachine(readConfig({ AUTH_MODE: "none", WS_WORKER_POOL_SIZE: "1", ...env }), { ...AMPLE, ...limits });

test("a machine with room changes nothing, also where its limit of open files is not known", () => {
  for (const openFiles of [200_000, undefined]) {
    const { config, clientSockets, opsSockets, warnings } = fit({ openFiles });
    assert.deepEqual(warnings, []);
    assert.equal(config.WS_MAX_CONNECTIONS, 10_000);
    assert.equal(config.WS_MEMORY_LIMIT, 7_516_192_768);
    assert.deepEqual([clientSockets, opsSockets], [12_000, 256]);
  }
});

test("few open files lower the number of connections, and the warning says what would be enough", () => {
  const { config, warnings } = fit({ openFiles: 4096 });
  assert.equal(config.WS_MAX_CONNECTIONS, 3160);
  assert.match(
    warnings.join(),
    /WS_MAX_CONNECTIONS is 10000, but .* 4096 open files.* limit is 3160 now. 12305 open files/,
  );
  const enough = fit({ openFiles: 12_305 });
  assert.deepEqual([enough.config.WS_MAX_CONNECTIONS, enough.warnings], [10_000, []]);
});

test("several workers hold more connections together than one process may, also when one of them ends", () => {
  const many = { WS_MAX_CONNECTIONS: "250000", WS_WORKER_POOL_SIZE: "16" };
  const { config, clientSockets, warnings } = fit({ openFiles: 20_000 }, many);
  assert.deepEqual([config.WS_MAX_CONNECTIONS, clientSockets, warnings], [250_000, 19_680, []]);
  const few = fit({ openFiles: 20_000 }, { ...many, WS_WORKER_POOL_SIZE: "8" });
  assert.equal(few.config.WS_MAX_CONNECTIONS, 7 * (19_688 - 2000));
  assert.match(few.warnings.join(), /limit is 123816 now. 38027 open files/);
  assert.equal(
    fit({ openFiles: 38_027 }, { ...many, WS_WORKER_POOL_SIZE: "8" }).config.WS_MAX_CONNECTIONS,
    250_000,
  );
});

test("too few open files for the gateway itself stop the start with a number that is enough", () => {
  assert.throws(
    () => fit({ openFiles: 60 }, { WS_WORKER_POOL_SIZE: "4" }),
    /only 60 open files.* at least 76/,
  );
  assert.doesNotThrow(() => fit({ openFiles: 76 }, { WS_WORKER_POOL_SIZE: "4" }));
});

test("for any limit and setting, the sockets fit into the limit and the seats into the sockets", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 30_000 }),
      fc.integer({ min: 1, max: 20_000 }),
      fc.integer({ min: 1, max: 64 }),
      (openFiles, connections, workers) => {
        let fitted: ReturnType<typeof fit>;
        try {
          fitted = fit(
            { openFiles },
            { WS_MAX_CONNECTIONS: String(connections), WS_WORKER_POOL_SIZE: String(workers) },
          );
        } catch (error) {
          assert.ok(error instanceof ConfigError && openFiles < 150);
          return;
        }
        const { config, clientSockets, opsSockets, warnings } = fitted;
        assert.ok(clientSockets + opsSockets + 48 <= openFiles);
        // When a worker ends, the others hold its clients.
        const ofProcess = Math.ceil(config.WS_MAX_CONNECTIONS / Math.max(1, workers - 1));
        assert.ok(config.WS_MAX_CONNECTIONS >= 1 && ofProcess + 8 <= clientSockets);
        assert.equal(warnings.length, config.WS_MAX_CONNECTIONS < connections ? 1 : 0);
      },
    ),
  );
});

test("a memory limit above the memory of the machine is lowered, with a warning", () => {
  const { config, warnings } = fit({ memoryBytes: 4e9 });
  assert.equal(config.WS_MEMORY_LIMIT, 4e9);
  assert.match(warnings.join(), /WS_MEMORY_LIMIT is 7516192768 bytes, but there are only 4000000000/);
});

test("the limits of this machine are readable", {
  skip: process.platform !== "linux" && "needs Linux",
}, () => {
  const { openFiles = 0, memoryBytes } = machineLimits();
  assert.ok(openFiles > 0 && memoryBytes > 0);
});
