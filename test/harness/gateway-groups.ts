/**
 * Instance groups whose VMs are real gateways with real clients, a real Prometheus that scrapes them, and the
 * part of Google's Compute API that checks of a rollout ask.
 */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { findProgram, howToGet } from "../../tools/programs/programs.ts";
import { type Asked, fakeCompute, type Reply } from "../checks/fake-compute.ts";
import { type Env, Gateway } from "./gateway.ts";
import { get } from "./http.ts";
import type { Owner } from "./owner.ts";
import { freePort } from "./ports.ts";
import { ProcessGroup } from "./process-group.ts";
import { issue } from "./tokens.ts";
import { eventually, pause } from "./wait.ts";
import { guardFolder } from "./watchdog.ts";

const MONITORING = "odin-prod-monitoring";
const CLIENTS = 3; // that stay connected to each gateway
const CHURN_MS = 100; // between two clients that connect to a gateway and leave

/** How the gateways of a template run. */
export interface Behaviour {
  env: Env;
  /** Kills the process this many ms after its start, each time. Default: never. */
  crashAfter?: number;
}

/** The groups of a deployment, as a test sets them up. */
export interface Deployment {
  /** `projects/P/regions/R`. */
  region: string;
  /** Path and present template of the group of all gateways, and of the canary's group. */
  groups(): { main: { path: string; template: string }; canary: { path: string; template: string } };
  /** What the API reports as the properties of a template, by its name. */
  properties(template: string): object;
  behaviour(template: string): Behaviour;
  /** The gateways' `JWT_SECRET`, with which the clients' tokens are signed. */
  secret: string;
}

/** A VM with a gateway that restarts when it ends, as systemd does it. */
class Vm {
  readonly name: string;
  readonly template: string;
  ready = false;
  #gateway: Gateway | undefined;
  #stopped = false;
  #clients: WebSocket[] = [];
  readonly ports: Promise<[ws: number, ops: number]> = Promise.all([freePort(), freePort()]);

  constructor(name: string, template: string) {
    this.name = name;
    this.template = template;
  }

  async run({ env, crashAfter }: Behaviour, secret: string): Promise<void> {
    const [ws, ops] = await this.ports;
    this.#visit(ws, secret).catch(() => {});
    while (!this.#stopped) {
      this.#gateway = new Gateway(ws, ops, env);
      const { exited } = this.#gateway.process;
      const crash =
        crashAfter === undefined
          ? undefined
          : setTimeout(() => this.#gateway?.process.signal("SIGKILL"), crashAfter);
      this.#untilHealthy(ops).then(() => this.#stay(ws, secret));
      await exited;
      clearTimeout(crash);
      await pause(300);
    }
  }

  async #untilHealthy(ops: number): Promise<void> {
    while (!this.#stopped) {
      const answer = await get(`http://127.0.0.1:${ops}/health`).catch(() => undefined);
      if (answer?.status === 200) break;
      await pause(50);
    }
    this.ready = true;
  }

  async #connect(port: number, secret: string): Promise<WebSocket> {
    const token = await issue(secret, { sub: `user-${Math.random()}` });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws?auth=${token}`);
    socket.on("error", () => {});
    return socket;
  }

  async #stay(port: number, secret: string): Promise<void> {
    for (let count = 0; count < CLIENTS; count++) {
      const socket = await this.#connect(port, secret);
      socket.once("open", () => socket.send('{"type":"subscribe","channels":["*.trade","global.trending"]}'));
      this.#clients.push(socket);
    }
  }

  /** Clients that come and go. */
  async #visit(port: number, secret: string): Promise<void> {
    while (!this.#stopped) {
      const socket = await this.#connect(port, secret);
      socket.once("open", () => socket.close());
      await pause(CHURN_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const socket of this.#clients) socket.terminate();
    await this.#gateway?.process.dispose();
  }
}

export class GatewayGroups {
  readonly #deployment: Deployment;
  readonly #folder: string;
  readonly #vms = new Map<string, Vm[]>();
  #serial = 0;
  #prometheusPort = 0;
  /** Sizes that were requested for the canary's group, in order. */
  readonly canarySizes: number[] = [];
  /** Environment of a check that asks these groups. */
  env: Record<string, string> = {};

  constructor(deployment: Deployment, folder: string) {
    this.#deployment = deployment;
    this.#folder = folder;
  }

  async start(owner: Owner): Promise<void> {
    const program = findProgram("prometheus");
    if (program === undefined) throw new Error(howToGet("prometheus"));
    this.#prometheusPort = await freePort();
    this.#writeTargets();
    const config = {
      global: { scrape_interval: "500ms", scrape_timeout: "500ms" },
      scrape_configs: [
        {
          job_name: "gateway",
          file_sd_configs: [{ files: [join(this.#folder, "targets.json")], refresh_interval: "500ms" }],
        },
      ],
    };
    writeFileSync(join(this.#folder, "prometheus.yml"), JSON.stringify(config));
    const args = [
      `--config.file=${join(this.#folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(this.#folder, "data")}`,
      `--web.listen-address=127.0.0.1:${this.#prometheusPort}`,
    ];
    const prometheus = new ProcessGroup(program, args, { PATH: process.env.PATH ?? "" });
    owner.after(() => prometheus.dispose());
    const compute = await fakeCompute(owner, (asked) => this.#answer(asked));
    const bin = join(this.#folder, "bin");
    mkdirSync(bin);
    const script = fileURLToPath(new URL("fake-gcloud.ts", import.meta.url));
    writeFileSync(join(bin, "gcloud"), `#!/bin/sh\nexec '${process.execPath}' '${script}' "$@"\n`);
    chmodSync(join(bin, "gcloud"), 0o755);
    this.env = {
      ODIN_COMPUTE_URL: compute.url,
      PATH: `${bin}:${process.env.PATH}`,
      FAKE_TUNNELS: join(this.#folder, "tunnels.json"),
    };
    await eventually(
      () => `Prometheus:\n${prometheus.tail()}`,
      async () => (await get(`http://127.0.0.1:${this.#prometheusPort}/-/ready`)).status === 200,
      30_000,
    );
  }

  /** Sets the size of a group, and starts or stops its gateways. */
  resize(path: string, template: string, size: number): void {
    const vms = this.#vms.get(path) ?? [];
    this.#vms.set(path, vms);
    while (vms.length > size) {
      const gone = vms.pop();
      gone?.stop();
    }
    while (vms.length < size) {
      const kind = path === this.#deployment.groups().canary.path ? "canary" : "gateway";
      const vm = new Vm(`odin-prod-${kind}-${++this.#serial}`, template);
      vms.push(vm);
      vm.run(this.#deployment.behaviour(template), this.#deployment.secret);
    }
    this.#writeTargets();
  }

  /** Waits until all gateways of a group are healthy. */
  async healthy(path: string): Promise<void> {
    const vms = () => this.#vms.get(path) ?? [];
    await eventually("healthy gateways", () => vms().every(({ ready }) => ready), 30_000);
  }

  /** Names of the templates that the gateways of a group run. */
  running(path: string): string[] {
    return (this.#vms.get(path) ?? []).map(({ template }) => template);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#vms.values()].flat().map((vm) => vm.stop()));
  }

  #writeTargets(): void {
    const all = [...this.#vms.values()].flat();
    Promise.all(all.map(async (vm) => ({ vm, ports: await vm.ports }))).then((running) => {
      const targets = running.map(({ vm, ports: [, ops] }) => ({
        targets: [`127.0.0.1:${ops}`],
        labels: { instance: vm.name },
      }));
      writeFileSync(join(this.#folder, "targets.json"), JSON.stringify(targets));
      const tunnels = Object.fromEntries(running.map(({ vm, ports: [ws] }) => [`${vm.name}:3004`, ws]));
      writeFileSync(
        join(this.#folder, "tunnels.json"),
        JSON.stringify({ ...tunnels, [`${MONITORING}:9090`]: this.#prometheusPort }),
      );
    });
    if (all.length === 0) {
      writeFileSync(join(this.#folder, "targets.json"), "[]");
      writeFileSync(join(this.#folder, "tunnels.json"), "{}");
    }
  }

  #answer({ path: asked }: Asked): Reply {
    const path = asked.replace("/compute/v1/", "");
    const { main, canary } = this.#deployment.groups();
    const base = "https://www.googleapis.com/compute/v1";
    const template = (name: string) => `${base}/projects/p/global/instanceTemplates/${name}`;
    const [, name] = /\/instanceTemplates\/([^/?]+)$/.exec(path) ?? [];
    if (name !== undefined) return { body: { properties: this.#deployment.properties(name) } };
    const size = (of: string) => (this.#vms.get(of) ?? []).length;
    const groupOf = ({ path: group, template: current }: typeof main) => ({
      name: group.split("/").at(-1),
      targetSize: size(group),
      versions: [{ instanceTemplate: template(current) }],
      currentActions: {},
      status: { isStable: true, versionTarget: { isReached: true } },
    });
    if (path.startsWith(`${this.#deployment.region}/instanceGroupManagers?`))
      return { body: { items: [groupOf(main)] } };
    if (path.includes("/serialPort")) return { body: { contents: "odin-startup: ready\n", next: "1" } };
    if (path.includes("/listErrors")) return { body: {} };
    if (path.includes("/getHealth"))
      return { body: { healthStatus: [{ instance: "zones/z/instances/one", healthState: "HEALTHY" }] } };
    const group = [main, canary].find((one) => path.startsWith(one.path));
    if (group === undefined) return { status: 404, body: { error: { message: `no such ${path}` } } };
    const [, wanted] = /\/resize\?size=(\d+)$/.exec(path) ?? [];
    if (wanted !== undefined) {
      if (group === canary) this.canarySizes.push(Number(wanted));
      this.resize(group.path, group.template, Number(wanted));
      return { body: { name: "operation" } };
    }
    if (!path.endsWith("/listManagedInstances")) return { body: groupOf(group) };
    const managedInstances = (this.#vms.get(group.path) ?? []).map((vm) => ({
      instance: `${base}/projects/p/zones/us-central1-a/instances/${vm.name}`,
      instanceStatus: "RUNNING",
      currentAction: vm.ready ? "NONE" : "CREATING",
      version: { instanceTemplate: template(vm.template) },
    }));
    return { body: { managedInstances } };
  }
}

/** Starts Prometheus and the API for a deployment; its gateways are started by `resize`. */
export async function startGroups(owner: Owner, deployment: Deployment): Promise<GatewayGroups> {
  const folder = mkdtempSync(join(tmpdir(), "odin-groups-"));
  guardFolder(folder);
  owner.after(() => rmSync(folder, { recursive: true, force: true }));
  const groups = new GatewayGroups(deployment, folder);
  owner.after(() => groups.stop());
  await groups.start(owner);
  return groups;
}
