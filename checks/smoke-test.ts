import { valuesOrExit } from "@odin-ws/settings/command-line";
import { checkBackendHealth, whereToLookForHealth } from "./backend-health.ts";
import { inactiveState, whereToLookForCertificate } from "./certificate-state.ts";
import { certificatesApi, computeApi, type GoogleApi } from "./compute-api.ts";
import { CHANNELS, type ConversationArgs, converse } from "./conversation.ts";
import { notYet } from "./secure-entrance.ts";
import { COMMAND, readSettings, type SmokeSettings } from "./smoke-settings.ts";
import { StepError, Steps } from "./steps.ts";
import { shortLivedToken } from "./token.ts";

/** Google's APIs that the smoke test asks. */
export interface SmokeApis {
  compute: GoogleApi;
  certificates: GoogleApi;
}

/**
 * Checks a deployment from outside: as a client, and through Google's APIs. Prints a line for each step, and
 * returns whether all steps succeeded.
 */
export async function smokeTest(
  settings: SmokeSettings,
  apis: SmokeApis,
  print: (line: string) => void,
): Promise<boolean> {
  const { url, secureUrl, backendService, group, jwtSecret, token, origin, auth, quietStream } = settings;
  const steps = (prefix = "") =>
    new Steps({
      deadline: settings.deadlineSeconds * 1000,
      print,
      secrets: [jwtSecret ?? "", token ?? ""],
      prefix,
    });
  const args: ConversationArgs = { url, token: tokenMaker(settings), origin, auth, quietStream };
  // The checks run at the same time, each until the deadline: the failure of one often explains the failure
  // of another.
  const results = await Promise.all([
    asClient(steps(), args),
    backendService !== undefined &&
      group !== undefined &&
      health(steps(), apis.compute, backendService, group),
    secureUrl !== undefined &&
      securely(steps("secure "), settings, apis.certificates, { ...args, url: secureUrl }),
  ]);
  if (backendService === undefined)
    print("not checked health: give --backend-service and --group to ask the load balancer");
  return !results.includes("failed");
}

type Outcome = "ok" | "failed";
const outcome = (ok: boolean): Outcome => (ok ? "ok" : "failed");

function tokenMaker(settings: SmokeSettings): (() => string) | undefined {
  const { jwtSecret: secret, token, jwtIssuer: issuer, jwtAudience: audience } = settings;
  if (token !== undefined) return () => token;
  if (secret === undefined) return undefined;
  return () => shortLivedToken(secret, { channels: CHANNELS, issuer, audience });
}

async function asClient(steps: Steps, args: ConversationArgs): Promise<Outcome> {
  let unchecked = "";
  const ok = await steps.untilOk(async () => {
    unchecked = await converse(steps, args);
  });
  if (ok && unchecked !== "") steps.report(`not checked ${unchecked}`);
  return outcome(ok);
}

/** Checks that the load balancer sees all instances as healthy. */
async function health(steps: Steps, api: GoogleApi, backendService: string, group: string): Promise<Outcome> {
  const ok = await steps.untilOk(async () => {
    await steps.step(
      "health",
      () => checkBackendHealth(api, backendService, group),
      whereToLookForHealth,
      (count) => `all of ${count} instances are HEALTHY`,
    );
  });
  return outcome(ok);
}

/**
 * Checks the TLS entrance. A name or certificate that is not ready yet is a warning only, unless the entrance
 * is required or Google says that the certificate is active.
 */
async function securely(
  steps: Steps,
  { secureRequired, certificate }: SmokeSettings,
  api: GoogleApi,
  args: ConversationArgs,
): Promise<Outcome> {
  let warning: string | undefined;
  let unchecked = "";
  const ok = await steps.untilOk(async () => {
    try {
      unchecked = await converse(steps, args);
    } catch (error) {
      const reason = error instanceof StepError ? notYet(error.cause) : undefined;
      if (reason === undefined || secureRequired) throw error;
      const state = certificate === undefined ? "" : await inactive(steps, api, certificate, error as Error);
      warning = `${reason}${state && `; the certificate is ${state}`}`;
    }
  });
  if (warning !== undefined) steps.report(`warning secure entrance not checked: ${warning}`);
  else if (ok && unchecked !== "") steps.report(`not checked secure ${unchecked}`);
  return outcome(ok);
}

/** Returns the state of the certificate. @throws StepError when the certificate is active */
function inactive(steps: Steps, api: GoogleApi, certificate: string, failure: Error): Promise<string> {
  return steps.step(
    "certificate",
    () => inactiveState(api, certificate, failureOf(failure)),
    whereToLookForCertificate,
    () => undefined,
  );
}

const failureOf = ({ cause }: Error): string =>
  cause instanceof Error ? cause.message.trim() : String(cause);

async function main(): Promise<number> {
  const settings = valuesOrExit(COMMAND, readSettings(process.argv.slice(2), process.env));
  const apis = { compute: computeApi(), certificates: certificatesApi() };
  const ok = await smokeTest(settings, apis, (line) => process.stdout.write(`${line}\n`));
  return ok ? 0 : 1;
}

if (import.meta.main) process.exitCode = await main();
