import { type Command, type Read, readCommand } from "@odin-ws/settings/command-line";
import { boolean, choice, decimal, nonEmpty, text } from "@odin-ws/settings/values";

const DEFAULT_MINUTES = 10; // min
const SMOKE_SECONDS = 180; // s; a gateway that starts reads the 30 s that the stream holds
const REGION = /^projects\/[^/]+\/regions\/[^/]+$/;
const GROUP = /^projects\/[^/]+\/regions\/[^/]+\/instanceGroupManagers\/[^/]+$/;

/** Settings of the canary's judge; see {@link COMMAND}. */
export interface CanarySettings {
  /** `projects/P/regions/R`. */
  region: string;
  /** Beginning of the names of all other gateways. */
  gateways: string;
  /** `projects/P/regions/R/instanceGroupManagers/N`: the group of the canary, normally empty. */
  group: string;
  /** URL of the template that the canary runs. */
  template: string;
  /** Name and zone of the VM that runs Prometheus. */
  monitoring: string;
  zone: string;
  /** Seconds. */
  duration: number;
  /** Whether the update is to reach all gateways without a canary. */
  skip: boolean;
  origin?: string | undefined;
  jwtSecret?: string | undefined;
  /** Issuer and audience of the token that is made with the secret. */
  jwtIssuer?: string | undefined;
  jwtAudience?: string | undefined;
  /** Seconds for the first smoke test of a canary. */
  smokeDeadline: number;
  quietStream: boolean;
}

export const COMMAND = {
  name: "npm run canary",
  usage: "npm run canary",
  about: `Starts gateways with a new template, in a group of their own, and compares them with the other gateways. pulumi up runs this
command before it changes the other gateways. At the end the group is empty again.
Exit code: 0 not worse, or nothing to compare; 1 worse, or no verdict; 2 wrong settings.`,
  words: {},
  options: {},
  variables: {
    CANARY_REGION: text((name) => REGION.test(name), "must be projects/P/regions/R").describe(
      "projects/P/regions/R of the gateways",
    ),
    CANARY_GATEWAYS: nonEmpty().describe("beginning of the names of the other gateways' VMs"),
    CANARY_GROUP: text(
      (name) => GROUP.test(name),
      "must be projects/P/regions/R/instanceGroupManagers/N",
    ).describe("group of the canary"),
    TEMPLATE: nonEmpty().describe("URL of the new instance template"),
    MONITORING: nonEmpty().describe("name of the VM with Prometheus"),
    ZONE: nonEmpty().describe("zone of the VM with Prometheus"),
    CANARY_MINUTES: decimal(1, 60).default(DEFAULT_MINUTES).describe("how long the canary is compared"),
    ODIN_CANARY: choice(["run", "skip"])
      .default("run")
      .describe("skip: the update reaches all gateways at once, for example to roll back"),
    ODIN_CANARY_SECONDS: decimal(1, 3600)
      .optional()
      .describe("seconds, instead of CANARY_MINUTES: for tests"),
    ODIN_SMOKE_ORIGIN: nonEmpty().optional().describe("one of the allowed origins"),
    ODIN_SMOKE_JWT_SECRET: nonEmpty().optional().describe("secret that the gateways check tokens with"),
    ODIN_SMOKE_JWT_ISSUER: nonEmpty().optional().describe("issuer of the token, if the gateways require one"),
    ODIN_SMOKE_JWT_AUDIENCE: nonEmpty()
      .optional()
      .describe("audience of the token, if the gateways require one"),
    ODIN_SMOKE_QUIET_STREAM: boolean()
      .default(false)
      .describe("the stream may carry no message for a long time"),
    ODIN_SMOKE_DEADLINE_SECONDS: decimal(1, 3600)
      .default(SMOKE_SECONDS)
      .describe("time in which a new gateway must pass the smoke test"),
    ODIN_COMPUTE_URL: nonEmpty().optional().describe("instead of https://compute.googleapis.com"),
  },
  secrets: new Set(["ODIN_SMOKE_JWT_SECRET"]),
} satisfies Command;

/** Reads the environment. */
export function readSettings(args: readonly string[], env: NodeJS.ProcessEnv): Read<CanarySettings> {
  const read = readCommand(COMMAND, args, env);
  if (read === "help" || "mistakes" in read) return read;
  return {
    region: read.CANARY_REGION,
    gateways: read.CANARY_GATEWAYS,
    group: read.CANARY_GROUP,
    template: read.TEMPLATE,
    monitoring: read.MONITORING,
    zone: read.ZONE,
    duration: read.ODIN_CANARY_SECONDS ?? read.CANARY_MINUTES * 60,
    skip: read.ODIN_CANARY === "skip",
    origin: read.ODIN_SMOKE_ORIGIN,
    jwtSecret: read.ODIN_SMOKE_JWT_SECRET,
    jwtIssuer: read.ODIN_SMOKE_JWT_ISSUER,
    jwtAudience: read.ODIN_SMOKE_JWT_AUDIENCE,
    smokeDeadline: read.ODIN_SMOKE_DEADLINE_SECONDS,
    quietStream: read.ODIN_SMOKE_QUIET_STREAM,
  };
}
