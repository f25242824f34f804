import { maxDrainSeconds } from "@odin-ws/infra";
import {
  ConfigError as GatewayMistakes,
  readConfig as readGatewaySettings,
  unknownSettings,
} from "@odin-ws/server/config";
import { SETTINGS } from "@odin-ws/server/settings";
import { gatewayMemory, RESERVED_BYTES } from "./gateway-memory.ts";
import type { KEYS, Key } from "./keys.ts";
import type { Mistake } from "./values.ts";

type Values = { [Name in Key]: ReturnType<(typeof KEYS)[Name]> };

/** Settings of the gateway that follow from the rest of the deployment, and where they are set instead. */
const SET_ELSEWHERE: Record<string, string> = {
  WS_PORT: "the load balancer's port is fixed",
  WS_PATH: "clients and checks use /ws",
  OPS_PORT: "health checks and firewall rules expect 3002",
  SOURCE: "messages come from NATS",
  NATS_URL: "use nats and natsUrl",
  NATS_CREDS_FILE: "use natsCredentials",
  JS_REPLICAS: "it follows from nats",
  JWT_SECRET: "it would be in the clear; use jwtSecret",
  WS_ALLOWED_ORIGINS: "use allowedOrigins",
  WS_TRUSTED_PROXIES: "it follows from domain",
  GCP_METRICS: "the autoscaler needs it",
  DEMO_PAGE: "the image has no demo page",
};

/** Seconds: the load balancer forgets a connection after 60 s without a packet of the client, which a ping's answer is. */
const MAX_PING = 30;

/** Keys that only a service has a use for, as far as they have no default. */
const OF_SERVICES = [
  "natsUrl",
  "natsCredentials",
  "jwtSecret",
  "domain",
  "dnsZone",
  "alertEmail",
  "alertWebhook",
  "alertPagerduty",
  "alertSlack",
] as const;

/** What is wrong between keys. Keys that are malformed have been named already and are undefined in `values`. */
export function contradictions(
  values: Partial<Values>,
  { stack, region, production }: { stack: string; region: string | undefined; production: boolean },
): Mistake[] {
  const isCapacityTest = values.kind === "capacity-test";
  return [
    ...(isCapacityTest ? idleKeys(values) : []),
    ...zoneMistakes(values, region, production),
    ...sizeMistakes(values, production),
    ...natsMistakes(values),
    ...gatewayMistakes(values),
    ...memoryMistakes(values),
    ...(isCapacityTest ? openMistakes(values) : authMistakes(values, stack, production)),
    ...(values.dnsZone !== undefined && values.kind === "service" && values.domain === undefined
      ? [`dnsZone is ${values.dnsZone}: it needs domain`]
      : []),
  ];
}

function idleKeys(values: Partial<Values>): Mistake[] {
  return OF_SERVICES.filter((key) => values[key] !== undefined).map(
    (key) => `${key} is set: a capacity test has no use for it, pulumi config rm ${key}`,
  );
}

/** Its gateway is reached by the load generator alone, which brings no tokens. */
function openMistakes({ gateway }: Partial<Values>): Mistake[] {
  if (gateway === undefined || gateway.AUTH_MODE === "none") return [];
  return [
    `gateway.AUTH_MODE is ${gateway.AUTH_MODE ?? "missing"}: a capacity test needs none, pulumi config set --path gateway.AUTH_MODE none`,
  ];
}

function zoneMistakes(
  { zones, nats, kind }: Partial<Values>,
  region: string | undefined,
  production: boolean,
) {
  if (zones === undefined) return [];
  const mistakes: Mistake[] = [];
  const strange = zones.filter((zone) => region !== undefined && zone.slice(0, -2) !== region);
  for (const zone of strange) mistakes.push(`zones has ${zone}, which is not a zone of gcp:region ${region}`);
  if (zones.length === 0)
    mistakes.push(
      `zones is empty: at least one zone of ${region ?? "gcp:region"}, pulumi config set --path 'zones[0]' ${region ?? "REGION"}-a`,
    );
  if (kind === "capacity-test") return mistakes;
  if (production && zones.length === 1)
    mistakes.push(`zones is [${zones}]: prod needs at least two, it must survive the loss of one`);
  if (nats === "cluster" && zones.length < 3)
    mistakes.push(`zones is [${zones}]: nats cluster needs three, one for each server`);
  return mistakes;
}

function sizeMistakes(values: Partial<Values>, production: boolean): Mistake[] {
  const { minInstances, maxInstances, connectionsTarget, gateway, spot } = values;
  const mistakes: Mistake[] = [];
  if (minInstances !== undefined && maxInstances !== undefined && minInstances > maxInstances)
    mistakes.push(`minInstances is ${minInstances}: at most maxInstances, which is ${maxInstances}`);
  if (production && minInstances === 1)
    mistakes.push("minInstances is 1: prod needs at least 2, one gateway must be able to die");
  const limit = Number(gateway?.WS_MAX_CONNECTIONS ?? SETTINGS.WS_MAX_CONNECTIONS.parse(undefined));
  if (connectionsTarget !== undefined && connectionsTarget > limit)
    mistakes.push(
      `connectionsTarget is ${connectionsTarget}: at most WS_MAX_CONNECTIONS, which is ${limit}, or the gateways are full before one is added`,
    );
  if (production && spot) mistakes.push("spot is true: not in prod, whose gateways would be taken away");
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

/** A limit that the machine cannot hold: the system would end a gateway before it felt full, and no alert would come first. */
function memoryMistakes({ machineType, gateway }: Partial<Values>): Mistake[] {
  if (machineType === undefined || gateway === undefined) return [];
  const memory = gatewayMemory(machineType);
  const { WS_MEMORY_LIMIT: limit } = gateway;
  if (limit === undefined)
    return memory === undefined
      ? [
          `machineType is ${machineType}, whose memory is not known here: set gateway.WS_MEMORY_LIMIT, in bytes, at least ${RESERVED_BYTES} below what its VMs show`,
        ]
      : [];
  return memory !== undefined && Number(limit) > memory
    ? [
        `gateway.WS_MEMORY_LIMIT is ${limit}: at most ${memory} with machineType ${machineType}, the rest is the system's`,
      ]
    : [];
}

/** Times that the gateway takes and the cloud does not. Those that the gateway refuses are named by it. */
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
      `gateway.WS_DRAIN_SECONDS is ${gateway.WS_DRAIN_SECONDS}: at most ${longest}${spot ? " with spot" : ""}, then Google cuts the power`,
    );
  if (seconds("WS_PING_SECONDS") > MAX_PING)
    mistakes.push(
      `gateway.WS_PING_SECONDS is ${gateway.WS_PING_SECONDS}: at most ${MAX_PING}, the load balancer forgets connections that are silent for 60 s`,
    );
  return mistakes;
}

function gatewayMistakes({ gateway, jwtSecret, spot }: Partial<Values>): Mistake[] {
  if (gateway === undefined) return [];
  const mistakes: Mistake[] = [];
  for (const [variable, why] of Object.entries(SET_ELSEWHERE)) {
    if (variable in gateway) mistakes.push(`gateway.${variable} cannot be set here: ${why}`);
  }
  const unknown = new Set([
    ...unknownSettings(gateway),
    ...Object.keys(gateway).filter((variable) => !(variable in SETTINGS)),
  ]);
  for (const variable of unknown)
    mistakes.push(`gateway.${variable} is not a setting of the gateway: docs/settings.md lists them`);
  const env = Object.fromEntries(
    Object.entries(gateway).filter(([variable]) => !(variable in SET_ELSEWHERE)),
  );
  const key = jwtSecret === undefined ? {} : { JWT_SECRET: jwtSecret };
  mistakes.push(...timeMistakes(gateway, spot ?? false));
  try {
    // Where NATS is follows from the stack; authentication is judged by authMistakes.
    readGatewaySettings({ NATS_URL: "tls://nats.invalid:4222", ...standInKey(env, key), ...env, ...key });
  } catch (error) {
    if (!(error instanceof GatewayMistakes)) throw error;
    mistakes.push(...error.mistakes.map((mistake) => `gateway.${mistake}`));
  }
  return mistakes;
}

const KEY_VARIABLES = ["JWT_PUBLIC_KEY", "JWKS_URL"] as const;

/** A key where none is given, so that its absence is told once, by authMistakes. */
function standInKey(env: Record<string, string>, key: object): Record<string, string> {
  const given = Object.keys(key).length > 0 || KEY_VARIABLES.some((variable) => env[variable]);
  return given ? {} : { JWT_SECRET: "stand-in".padEnd(32, "-") };
}

function authMistakes(values: Partial<Values>, stack: string, production: boolean): Mistake[] {
  const { gateway, jwtSecret } = values;
  if (gateway === undefined) return [];
  if (gateway.AUTH_MODE === "none")
    return production ? ["gateway.AUTH_MODE is none: not in prod, where everybody could connect"] : [];
  const isMalformed = !("jwtSecret" in values); // named already
  if (jwtSecret !== undefined || isMalformed || KEY_VARIABLES.some((variable) => gateway[variable]))
    return [];
  const other = production ? "" : ", or AUTH_MODE: none there";
  return [
    `jwtSecret is missing: the clients' tokens need a key, pulumi config set --secret jwtSecret --stack ${stack} (or JWKS_URL or JWT_PUBLIC_KEY in gateway${other})`,
  ];
}
