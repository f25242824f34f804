import { FLEET_RANGES, maxDrainSeconds, orderMistakes, zoneMistakes } from "@odin-ws/infra";
import {
  ConfigError as GatewayMistakes,
  readConfig as readGatewaySettings,
  unknownSettings,
} from "@odin-ws/server/config";
import { SETTINGS } from "@odin-ws/server/settings";
import { effectiveSettings } from "./gateway-size.ts";
import type { Values } from "./keys.ts";
import { machineMistakes } from "./machine-mistakes.ts";
import { publisherMistakes } from "./publisher-mistakes.ts";
import { hasRegions, regionMistakes } from "./region-mistakes.ts";
import type { Mistake } from "./values.ts";

/**
 * Settings of the gateway that follow from the rest of the deployment, with the reason or the key to use
 * instead.
 */
const SET_ELSEWHERE: Record<string, string> = {
  WS_PORT: "the load balancer's port is fixed",
  WS_PATH: "clients and checks use /ws",
  OPS_PORT: "health checks and firewall rules expect 3002",
  SOURCE: "messages come from NATS",
  NATS_URL: "use nats and natsUrl",
  NATS_CREDS_FILE: "use natsCredentials",
  JWT_SECRET: "the secret would not be encrypted; use jwtSecret",
  JWT_SECRET_PREVIOUS: "the secret would not be encrypted; use jwtSecretPrevious",
  WS_ALLOWED_ORIGINS: "use allowedOrigins",
  WS_TRUSTED_PROXIES: "its value follows from domain",
  GCP_METRICS: "the autoscaler needs this metric",
  DEMO_PAGE: "the image has no demo page",
};

/** Settings of the gateway that follow from the stack's own NATS servers, and are free with Synadia. */
const SET_BY_NATS: Record<string, string> = { JS_REPLICAS: "its value follows from nats" };

/**
 * Most seconds between two pings. The load balancer forgets a connection after 60 s without a packet of the
 * client, and the answer to a ping is such a packet.
 */
const MAX_PING = 30;

/** Keys without a default that a capacity test does not use. */
const SERVICE_KEYS = [
  "monitoringZone",
  "natsUrl",
  "natsCredentials",
  "jwtSecret",
  "jwtSecretPrevious",
  "domain",
  "dnsZone",
  "alertEmail",
  "alertWebhook",
  "alertPagerduty",
  "alertSlack",
] as const;

/**
 * Finds contradictions between keys, and values that other parts of the deployment refuse.
 *
 * @param values without keys whose text is malformed, because those are reported already
 */
export function contradictions(
  values: Partial<Values>,
  { stack, region, production }: { stack: string; region: string | undefined; production: boolean },
): Mistake[] {
  const isCapacityTest = values.kind === "capacity-test";
  return [
    ...(isCapacityTest ? unusedKeys(values) : []),
    // Of a malformed `regions`, nothing is known.
    ...(hasRegions(values) || !("regions" in values) ? [] : placeMistakes(values, region, production)),
    ...regionMistakes(values, region, production),
    ...sizeMistakes(values, production),
    ...natsMistakes(values),
    ...publisherMistakes(values),
    ...gatewayMistakes(values),
    ...machineMistakes(values),
    ...(isCapacityTest ? openAccessMistakes(values) : authMistakes(values, stack, production)),
    ...(values.dnsZone !== undefined && values.kind === "service" && values.domain === undefined
      ? [`dnsZone is ${values.dnsZone}: a zone needs the key domain, too`]
      : []),
  ];
}

function unusedKeys(values: Partial<Values>): Mistake[] {
  return SERVICE_KEYS.filter((key) => values[key] !== undefined).map(
    (key) => `${key} is set: a capacity test does not use this key, pulumi config rm ${key}`,
  );
}

/**
 * Only the load generator can reach the gateway of a capacity test, and the load generator sends no tokens.
 */
function openAccessMistakes({ gateway }: Partial<Values>): Mistake[] {
  if (gateway === undefined || gateway.AUTH_MODE === "none") return [];
  return [
    `gateway.AUTH_MODE is ${gateway.AUTH_MODE ?? "missing"}: a capacity test needs none, pulumi config set --path gateway.AUTH_MODE none`,
  ];
}

function placeMistakes(
  { zones, monitoringZone, nats, kind }: Partial<Values>,
  region: string | undefined,
  production: boolean,
): Mistake[] {
  if (zones === undefined) return [];
  const command = zones.length > 0 ? "" : `, pulumi config set --path 'zones[0]' ${region ?? "REGION"}-a`;
  const mistakes = zoneMistakes(zones, region).map(
    ({ propertyPath, reason }) => `${propertyPath} ${reason}${command}`,
  );
  if (kind === "capacity-test") return mistakes;
  if (monitoringZone !== undefined && region !== undefined && monitoringZone.slice(0, -2) !== region)
    mistakes.push(`monitoringZone is ${monitoringZone}: it must be a zone of region ${region}`);
  if (production && zones.length === 1)
    mistakes.push(`zones is [${zones}]: prod needs at least two zones, to survive the loss of one`);
  if (nats === "cluster" && zones.length < 3)
    mistakes.push(`zones is [${zones}]: nats cluster needs three zones, one for each server`);
  return mistakes;
}

function sizeMistakes(values: Partial<Values>, production: boolean): Mistake[] {
  const { minInstances, maxInstances, connectionsTarget, gateway, spot } = values;
  const mistakes: Mistake[] = [];
  if (minInstances !== undefined && maxInstances !== undefined)
    for (const { propertyPath, reason } of orderMistakes({ minInstances, maxInstances }))
      mistakes.push(`${propertyPath} ${reason}`);
  if (production && minInstances === 1)
    mistakes.push("minInstances is 1: prod needs at least 2, to survive the loss of a gateway");
  const { least, most } = FLEET_RANGES.connectionsTarget;
  const limit = Number(effectiveSettings(values.machineType, gateway).WS_MAX_CONNECTIONS);
  if (connectionsTarget !== undefined && connectionsTarget > 0 && connectionsTarget < least)
    mistakes.push(
      `connectionsTarget is ${connectionsTarget}: allowed is a whole number from ${least} to ${most}, or 0 for 80 % of WS_MAX_CONNECTIONS`,
    );
  if (connectionsTarget !== undefined && connectionsTarget > limit)
    mistakes.push(
      `connectionsTarget is ${connectionsTarget}: at most WS_MAX_CONNECTIONS, which is ${limit}, because otherwise all gateways are full before one is added`,
    );
  if (production && spot)
    mistakes.push("spot is true: not allowed in prod, because Google may stop spot VMs at any time");
  return mistakes;
}

function natsMistakes(values: Partial<Values>): Mistake[] {
  const { kind, nats, natsUrl } = values;
  if (kind !== "service" || nats === undefined) return [];
  if (nats !== "synadia")
    return natsUrl === undefined ? [] : [`natsUrl is ${natsUrl}: only with nats synadia, nats is ${nats}`];
  if ("natsCredentials" in values && values.natsCredentials === undefined)
    return [
      "natsCredentials is missing: nats synadia needs it, pulumi config set --secret natsCredentials < user.creds",
    ];
  return [];
}

/**
 * Durations that the gateway accepts and Google Cloud does not. The gateway's own check reports durations
 * that the gateway rejects.
 */
function timeMistakes(gateway: Record<string, string>, spot: boolean): Mistake[] {
  const mistakes: Mistake[] = [];
  const seconds = (name: "WS_DRAIN_SECONDS" | "WS_PING_SECONDS") => {
    try {
      return gateway[name] === undefined ? 0 : SETTINGS[name].parse(gateway[name]);
    } catch {
      return 0;
    }
  };
  const longest = maxDrainSeconds(spot);
  if (seconds("WS_DRAIN_SECONDS") > longest)
    mistakes.push(
      `gateway.WS_DRAIN_SECONDS is ${gateway.WS_DRAIN_SECONDS}: at most ${longest}${spot ? " with spot" : ""}, because Google cuts the power of a leaving VM soon after that time`,
    );
  if (seconds("WS_PING_SECONDS") > MAX_PING)
    mistakes.push(
      `gateway.WS_PING_SECONDS is ${gateway.WS_PING_SECONDS}: at most ${MAX_PING}, because the load balancer forgets connections that are silent for 60 s`,
    );
  return mistakes;
}

function gatewayMistakes(values: Partial<Values>): Mistake[] {
  const { gateway, jwtSecret, jwtSecretPrevious, spot, kind, nats } = values;
  if (gateway === undefined) return [];
  const mistakes: Mistake[] = [];
  const isSynadia = kind === "service" && nats === "synadia";
  const setElsewhere = { ...SET_ELSEWHERE, ...(isSynadia ? {} : SET_BY_NATS) };
  for (const [variable, why] of Object.entries(setElsewhere)) {
    if (variable in gateway) mistakes.push(`gateway.${variable} cannot be set here: ${why}`);
  }
  const unknown = new Set([
    ...unknownSettings(gateway),
    ...Object.keys(gateway).filter((variable) => !(variable in SETTINGS)),
  ]);
  for (const variable of unknown)
    mistakes.push(`gateway.${variable} is not a setting of the gateway: docs/settings.md lists them`);
  const env = Object.fromEntries(Object.entries(gateway).filter(([variable]) => !(variable in setElsewhere)));
  const key = jwtSecret === undefined ? {} : { JWT_SECRET: jwtSecret };
  if (jwtSecretPrevious !== undefined && jwtSecret === undefined)
    mistakes.push(
      "jwtSecretPrevious has no use without jwtSecret: set jwtSecret, or remove jwtSecretPrevious",
    );
  mistakes.push(...timeMistakes(gateway, spot ?? false));
  try {
    // The stack sets NATS_URL. A missing key for tokens is reported by authMistakes.
    readGatewaySettings({ NATS_URL: "tls://nats.invalid:4222", ...standInKey(env, key), ...env, ...key });
  } catch (error) {
    if (!(error instanceof GatewayMistakes)) throw error;
    mistakes.push(...error.mistakes.map((mistake) => `gateway.${mistake}`));
  }
  return mistakes;
}

const KEY_VARIABLES = ["JWT_PUBLIC_KEY", "JWKS_URL"] as const;

/**
 * A key for tokens where none is given: authMistakes reports the missing key, and the gateway's check need
 * not repeat that.
 */
function standInKey(env: Record<string, string>, key: object): Record<string, string> {
  const given = Object.keys(key).length > 0 || KEY_VARIABLES.some((variable) => env[variable]);
  return given ? {} : { JWT_SECRET: "stand-in".padEnd(32, "-") };
}

function authMistakes(values: Partial<Values>, stack: string, production: boolean): Mistake[] {
  const { gateway, jwtSecret } = values;
  if (gateway === undefined) return [];
  if (gateway.AUTH_MODE === "none")
    return production
      ? ["gateway.AUTH_MODE is none: not allowed in prod, because everyone could connect"]
      : [];
  const isMalformed = !("jwtSecret" in values); // reported already
  if (jwtSecret !== undefined || isMalformed || KEY_VARIABLES.some((variable) => gateway[variable]))
    return [];
  const other = production ? "" : ", or AUTH_MODE: none in gateway";
  return [
    `jwtSecret is missing: the clients' tokens need a key, pulumi config set --secret jwtSecret --stack ${stack} (or JWKS_URL or JWT_PUBLIC_KEY in gateway${other})`,
  ];
}
