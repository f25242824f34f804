import { setTimeout as sleep } from "node:timers/promises";
import { WS_PATH, WS_PORT } from "@odin-ws/protocol";
import { valuesOrExit } from "@odin-ws/settings/command-line";
import { untilSignal } from "@odin-ws/settings/signals";
import { type CanarySettings, COMMAND, readSettings } from "./canary-settings.ts";
import { CanaryVms, type VmTimes } from "./canary-vms.ts";
import { certificatesApi, computeApi, type GoogleApi } from "./compute-api.ts";
import { answering, figuresOf, prometheus } from "./gateway-figures.ts";
import { type GatewayVm, groupsOf, lastPart, vmsOf } from "./gateway-groups.ts";
import { iapTunnel, type OpenTunnel, type Tunnel } from "./iap-tunnel.ts";
import { smokeTest } from "./smoke-test.ts";
import { changeBetween, readTemplate, type TemplateChange } from "./template-change.ts";
import { type Figures, inWords, NO_FIGURES, sum, worseIn } from "./verdict.ts";

const SHARE = 0.1; // least size of the canary, as a part of all gateways
const PROMETHEUS_PORT = 9090;
const LOOKS = 20; // at the canary, spread over the whole time
const LONGEST_POLL = 30; // s between two looks
/** Part of the time after which shares count: the first minutes of a process are not like the later ones. */
const SETTLING = 0.2;
/** A canary that fails this many looks in a row is worse; a single failure may be the network's. */
const FAILURES = 2;
const SMOKE_SECONDS = 15;
const VM_TIMES: VmTimes = { poll: 5_000, deadline: 600_000 }; // 5 s, 10 min

/** The canary is worse than the other gateways, or could not be judged. */
export class CanaryError extends Error {
  override readonly name = "CanaryError";
}

export interface CanaryTools {
  api: GoogleApi;
  openTunnel: OpenTunnel;
  print: (line: string) => void;
  /** Ends the judgement early: the group becomes empty, and nothing is decided. */
  aborted: AbortSignal;
  /** Default: {@link VM_TIMES}. */
  vmTimes?: VmTimes;
}

/**
 * Tries a template on gateways of their own, and compares them with the others. Returns a line with the
 * result. When this function ends, for whatever reason, the canary's group is empty or becomes empty.
 *
 * @throws CanaryError when the canary is worse, or when there is no verdict
 */
export async function tryCanary(settings: CanarySettings, tools: CanaryTools): Promise<string> {
  const { api, print, aborted } = tools;
  const { region, gateways, group, template } = settings;
  const vms = new CanaryVms(api, group, tools.vmTimes ?? VM_TIMES);
  const groups = (await groupsOf(api, region, gateways)).filter(({ size }) => size > 0);
  const skipped = await whyNoCanary(settings, api, groups);
  if (skipped !== undefined) {
    if (!(await vms.isEmpty())) await vms.stop(false);
    return `no canary: ${skipped}`;
  }
  const size = Math.max(1, Math.ceil(SHARE * groups.reduce((all, { size }) => all + size, 0)));
  print(`canary: ${size} of the gateways with ${lastPart(template)}, for ${settings.duration} s`);
  const tunnels: Tunnel[] = [];
  const openTunnel: OpenTunnel = async (target) => {
    const tunnel = await tools.openTunnel(target);
    tunnels.push(tunnel);
    return tunnel;
  };
  let isWorse = true;
  try {
    const canaries = await vms.start(size, template, aborted);
    const others = async () =>
      (await Promise.all(groups.map(({ path }) => vmsOf(api, path)))).flat().map(({ name }) => name);
    const result = await compare(settings, { ...tools, openTunnel }, canaries, others);
    isWorse = false;
    return result;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CanaryError(
      `canary: ${reason}. The other gateways still run ${groups.flatMap(({ templates }) => templates.map(lastPart)).join(", ")}; none of them was changed, and the canary is removed. Look at the canary's log in Grafana. To deploy nevertheless: ODIN_CANARY=skip pulumi up`,
      { cause: error },
    );
  } finally {
    for (const tunnel of tunnels) tunnel.close();
    // A group that cannot be made empty now is made empty by the next update. The verdict is more important.
    await vms
      .stop(isWorse && !aborted.aborted)
      .catch((error: unknown) => print(`canary: its gateways are not removed yet: ${error}`));
  }
}

/** Why the update needs no canary; undefined when it needs one. */
async function whyNoCanary(
  { skip, template }: CanarySettings,
  api: GoogleApi,
  groups: readonly { templates: string[] }[],
): Promise<string | undefined> {
  if (skip) return "ODIN_CANARY=skip";
  if (groups.length === 0) return "there are no other gateways to compare with";
  const next = await readTemplate(api, template);
  const changes = new Set<TemplateChange>();
  for (const url of new Set(groups.flatMap(({ templates }) => templates)))
    changes.add(
      lastPart(url) === lastPart(template) ? "nothing" : changeBetween(await readTemplate(api, url), next),
    );
  if (changes.has("release")) return undefined;
  return changes.has("settings")
    ? "only settings change, which the gateways take one after the other"
    : "the gateways run this template, or an equal one";
}

/** Compares until the time is over. @throws Error that says in what the canary is worse */
async function compare(
  settings: CanarySettings,
  { openTunnel, print, aborted }: CanaryTools,
  canaries: readonly GatewayVm[],
  others: () => Promise<string[]>,
): Promise<string> {
  const { monitoring, zone, region, duration } = settings;
  const [, project = ""] = region.split("/");
  const ask = prometheus(
    `http://127.0.0.1:${(await openTunnel({ project, zone, instance: monitoring, port: PROMETHEUS_PORT })).port}`,
  );
  const urls = new Map<string, string>();
  for (const { name, zone } of canaries) {
    const { port } = await openTunnel({ project, zone, instance: name, port: WS_PORT });
    urls.set(name, `ws://127.0.0.1:${port}${WS_PATH}`);
  }
  for (const [name, url] of urls) await expectService(name, url, settings, settings.smokeDeadline);

  const begin = performance.now();
  const poll = Math.min(LONGEST_POLL, duration / LOOKS);
  let failures: string[] = [];
  let canary: Figures = NO_FIGURES;
  let rest: Figures[] = [];
  for (;;) {
    await sleep(poll * 1000, undefined, { signal: aborted });
    const elapsed = (performance.now() - begin) / 1000;
    const failure = await look();
    failures = failure === undefined ? [] : [...failures, failure];
    if (failures.length >= FAILURES) throw new Error(failures.at(-1));
    if (elapsed < duration) continue;
    if (failures.length > 0) continue; // one more look decides
    print(`canary: ${inWords(canary)}`);
    print(`others: ${inWords(sum(rest))}`);
    return `canary: not worse than ${rest.length} other gateways after ${Math.round(elapsed)} s`;
  }

  /** Returns what failed at this moment. @throws Error when the figures prove that the canary is worse */
  async function look(): Promise<string | undefined> {
    const elapsed = (performance.now() - begin) / 1000;
    let figures: Map<string, Figures>;
    let up: Set<string>;
    let names: string[];
    try {
      [figures, up, names] = await Promise.all([figuresOf(ask, elapsed), answering(ask), others()]);
    } catch (error) {
      return `no figures of the gateways: ${error instanceof Error ? error.message : error}`;
    }
    const each = (all: Iterable<string>) => [...all].map((name) => figures.get(name) ?? NO_FIGURES);
    canary = sum(each(urls.keys()));
    rest = each(names);
    const worse = worseIn(canary, rest).filter(
      (reason) => elapsed >= duration * SETTLING || /restarted/.test(reason),
    );
    if (worse.length > 0) throw new Error(`worse than the other gateways: ${worse.join("; ")}`);
    for (const [name, url] of urls) {
      if (!up.has(name)) return `${name} does not answer Prometheus`;
      const failure = await expectService(name, url, settings, SMOKE_SECONDS).catch((error: Error) => error);
      if (failure instanceof Error) return failure.message;
    }
    return undefined;
  }
}

/** Runs the smoke test against one gateway. @throws Error with the lines of the steps that failed */
async function expectService(
  name: string,
  url: string,
  { origin, jwtSecret, jwtIssuer, jwtAudience, quietStream }: CanarySettings,
  deadlineSeconds: number,
): Promise<void> {
  const lines: string[] = [];
  const ok = await smokeTest(
    { url, origin, jwtSecret, jwtIssuer, jwtAudience, quietStream, secureRequired: false, deadlineSeconds },
    { compute: computeApi(), certificates: certificatesApi() },
    (line) => lines.push(line),
  );
  if (ok) return;
  const failed = lines.filter((line) => line.startsWith("FAILED")).join("; ");
  throw new Error(`${name} fails the smoke test: ${failed}`);
}

async function main(): Promise<number> {
  const settings = valuesOrExit(COMMAND, readSettings(process.argv.slice(2), process.env));
  const { aborted } = untilSignal({ endAtOnce: () => process.exit(1) });
  const print = (line: string) => process.stdout.write(`${line}\n`);
  try {
    print(await tryCanary(settings, { api: computeApi(), openTunnel: iapTunnel, print, aborted }));
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main();
