/**
 * The restore of the monitoring VM's data disk: Prometheus and Loki start from a copy of their folders that
 * was made while they ran, as a snapshot of the disk is, and still have their data.
 */

import { strict as assert } from "node:assert";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { monitoringFiles } from "../../monitoring/files.ts";
import { localOptions } from "../../monitoring/local/options.ts";
import { findProgram } from "../../tools/programs/programs.ts";
import { get } from "../harness/http.ts";
import type { Owner } from "../harness/owner.ts";
import { freePort } from "../harness/ports.ts";
import { ProcessGroup } from "../harness/process-group.ts";
import { eventually } from "../harness/wait.ts";
import { faster } from "../monitoring/faster.ts";
import { skipWithoutPrograms } from "../monitoring/programs.ts";
import { logql, promql } from "../monitoring/queries.ts";

const PATIENCE_MS = 90_000; // on a busy machine
const LINE = "a line that the restore must find";

interface Running {
  prometheus: string;
  loki: string;
  /** Ends both programs at once, as the loss of a machine does. */
  kill(): Promise<void>;
}

/** Starts Prometheus and Loki with the data in a folder. */
async function start(owner: Owner, data: string): Promise<Running> {
  const files = mkdtempSync(join(tmpdir(), "odin-restore-files-"));
  owner.after(() => rmSync(files, { recursive: true, force: true }));
  const ports = {
    prometheus: await freePort(),
    loki: await freePort(),
    alertmanager: await freePort(),
  };
  const rendered = faster(monitoringFiles(localOptions({ gateways: [], ports })), 15);
  for (const [path, content] of Object.entries(rendered)) {
    mkdirSync(dirname(join(files, path)), { recursive: true });
    writeFileSync(join(files, path), content);
  }
  const program = (name: "prometheus" | "loki", args: string[]) => {
    const group = new ProcessGroup(findProgram(name) ?? name, args, {
      PATH: process.env.PATH ?? "",
      LOKI_DATA: join(data, "loki"),
    });
    owner.after(() => group.dispose());
    return group;
  };
  const programs = [
    program("prometheus", [
      `--config.file=${files}/prometheus/prometheus.yml`,
      `--storage.tsdb.path=${join(data, "prometheus")}`,
      `--web.listen-address=127.0.0.1:${ports.prometheus}`,
    ]),
    program("loki", [
      `-config.file=${files}/loki/loki.yml`,
      "-config.expand-env=true",
      "-server.http-listen-address=127.0.0.1",
    ]),
  ];
  const prometheus = `http://127.0.0.1:${ports.prometheus}`;
  const loki = `http://127.0.0.1:${ports.loki}`;
  const isReady = async (url: string) => (await get(url)).status === 200;
  await eventually(
    () => `both programs:\n${programs.map((one) => one.tail()).join("\n")}`,
    async () => (await isReady(`${prometheus}/-/ready`)) && (await isReady(`${loki}/ready`)),
    PATIENCE_MS,
  );
  return {
    prometheus,
    loki,
    kill: async () => {
      await Promise.all(programs.map((one) => one.dispose()));
    },
  };
}

describe("restore of monitoring's data", { skip: skipWithoutPrograms(), timeout: 300_000 }, () => {
  test("metrics and logs of a snapshot are there again after the machine and its disk are lost", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "odin-restore-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const [disk, snapshot] = [join(folder, "disk"), join(folder, "snapshot")];
    mkdirSync(join(disk, "loki"), { recursive: true });
    const before = await start(t, disk);
    const now = Date.now();
    const pushed = await fetch(`${before.loki}/loki/api/v1/push`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        streams: [
          { stream: { host: "odin-prod-gateway", container: "gateway" }, values: [[`${now}000000`, LINE]] },
        ],
      }),
    });
    assert.equal(pushed.status, 204, await pushed.text());
    await eventually(
      "a metric",
      async () => (await promql(before.prometheus, 'up{job="loki"} == 1')).length > 0,
      PATIENCE_MS,
    );
    const at = Math.floor(Date.now() / 1000);
    cpSync(disk, snapshot, { recursive: true });
    await before.kill();
    rmSync(disk, { recursive: true, force: true });

    const after = await start(t, snapshot);
    const { body } = await get(
      `${after.prometheus}/api/v1/query?query=${encodeURIComponent('up{job="loki"}')}&time=${at}`,
    );
    const { data } = JSON.parse(body) as { data: { result: { value: [number, string] }[] } };
    assert.deepEqual(
      data.result.map(({ value }) => value[1]),
      ["1"],
      "the metric of the time before the loss",
    );
    await eventually(
      "the log line",
      async () => (await logql(after.loki, '{container="gateway"}')).some(({ last }) => last.includes(LINE)),
      PATIENCE_MS,
    );
  });
});
