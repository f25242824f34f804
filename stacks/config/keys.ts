import { EXACT_COS_IMAGE, FLEET_RANGES, HOST_NAME, NETWORK_NAME } from "@odin-ws/infra";
import { publishers } from "./publishers.ts";
import { regions } from "./regions.ts";
import { boolean, choice, environment, integer, list, optional, required } from "./values.ts";

/** A range of IPv4 addresses from /8 to /32: larger ranges would let in strangers. */
const RANGE =
  /^(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])(\.(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])){3}\/([89]|[12]\d|3[0-2])$/;

const ZONE = /^[a-z]+-[a-z]+\d+-[a-z]$/;

/** Value of `serverImage` that asks for an image that is built from this repository. */
export const BUILD = "build";

/**
 * Every key of a stack's configuration, with the function that reads its text. Pulumi.yaml has defaults and
 * descriptions.
 */
export const KEYS = {
  kind: choice("service", "capacity-test"),
  zones: list(ZONE, "a list of zones, for example [us-central1-a, us-central1-b]"),
  monitoringZone: optional(ZONE, "a zone, for example us-central1-b"),
  minInstances: integer(FLEET_RANGES.minInstances),
  maxInstances: integer(FLEET_RANGES.maxInstances),
  regions,
  cpuTarget: integer(FLEET_RANGES.cpuTargetPercent),
  // 0: follows from WS_MAX_CONNECTIONS.
  connectionsTarget: integer({ least: 0, most: FLEET_RANGES.connectionsTarget.most }),
  scaleInMinutes: integer(FLEET_RANGES.scaleInMinutes),
  canary: boolean,
  canaryMinutes: integer(FLEET_RANGES.canaryMinutes),
  // Container images and the operating system are built for x86.
  machineType: required(
    /^(?!t2a-|c4a-|n4a-|a4x-)[a-z]\w+-[a-z0-9-]+$/,
    "a machine type of x86, for example e2-standard-2",
  ),
  spot: boolean,
  cosImage: required(
    EXACT_COS_IMAGE,
    "an exact image of Container-Optimized OS, for example cos-133-19999-44-85: with a family each VM may run another image",
  ),
  serverImage: optional(
    /^(build|[a-z0-9][\w./:-]*@sha256:[0-9a-f]{64})$/,
    `${BUILD}, or an image by digest, …@sha256:…, because a tag may name another image tomorrow`,
  ),
  nats: choice("synadia", "single", "cluster"),
  natsUrl: optional(
    /^(tls:\/\/[^\s@,]+(,tls:\/\/[^\s@,]+)*|nats:\/\/[^\s@,]+(,nats:\/\/[^\s@,]+)*)$/,
    "tls://HOST:PORT (or nats:// in a closed network), several separated by commas, without user and password, which belong into natsCredentials",
  ),
  natsCredentials: optional(
    /-----BEGIN NATS USER JWT-----[\s\S]+-----BEGIN USER NKEY SEED-----/,
    "the whole content of a .creds file",
  ),
  publishers,
  publisherNetworks: list(
    NETWORK_NAME,
    "a list of VPC networks, for example [projects/my-backend/global/networks/default]",
  ),
  publisherRanges: list(RANGE, "a list of ranges, for example [10.128.0.0/20]"),
  natsPublicRanges: list(RANGE, "a list of ranges, for example [203.0.113.7/32]"),
  networkRange: required(RANGE, "a range, for example 10.10.0.0/20"),
  quietStream: boolean,
  jwtSecret: optional(
    /^\S([\s\S]*\S)?$/,
    "text that neither begins nor ends with white space, such as the end of a line",
  ),
  jwtSecretPrevious: optional(
    /^\S([\s\S]*\S)?$/,
    "text that neither begins nor ends with white space, such as the end of a line",
  ),
  domain: optional(HOST_NAME, "a host name, for example live.example.com"),
  dnsZone: optional(
    /^[a-z][a-z0-9-]{0,62}$/,
    "the name of a Cloud DNS managed zone, for example example-com",
  ),
  allowedOrigins: list(
    /^(https:\/\/(?!\S*:443$)|http:\/\/(?!\S*:80$))[a-z0-9.:[\]-]+$/,
    "a list of origins as browsers send them: lower case, without a path, a wildcard or the default port, for example [https://app.example.com]",
  ),
  alertEmail: optional(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, "an e-mail address"),
  alertWebhook: optional(/^https:\/\/\S+$/, "an https URL"),
  alertPagerduty: optional(
    /^[A-Za-z0-9]{32}$/,
    "the integration key of an Events API v2 integration, 32 letters and digits",
  ),
  alertSlack: optional(/^https:\/\/\S+$/, "the https URL of an incoming webhook"),
  runbookUrl: optional(
    /^https:\/\/[^\s/#?]+\/[^\s#]+$/,
    "an https URL without #, for example https://github.com/OWNER/REPOSITORY/blob/main/docs/runbook.md",
  ),
  monthlyBudget: integer({ least: 0, most: 10_000_000 }),
  gateway: environment,
} as const;

export type Key = keyof typeof KEYS;

/** The values of all keys. */
export type Values = { [Name in Key]: ReturnType<(typeof KEYS)[Name]> };

/** Keys whose values must never be shown. Set with --secret, they are encrypted in the stack's file. */
export const SECRET_KEYS: readonly Key[] = [
  "natsCredentials",
  "jwtSecret",
  "jwtSecretPrevious",
  "alertWebhook",
  "alertPagerduty",
  "alertSlack",
];
