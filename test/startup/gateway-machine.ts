/** The machine of a gateway, with every kind of metadata that a gateway can have. */

import type { Owner } from "../harness/owner.ts";
import { buildMachine, type Machine } from "./machine.ts";

export const IMAGE = "us-central1-docker.pkg.dev/project/odin/gateway@sha256:1111";
const NATS_URL = "projects/1/secrets/nats-url/versions/3";
const JWT_KEY = "projects/1/secrets/jwt-key/versions/1";
export const CREDENTIALS = "projects/1/secrets/nats-credentials/versions/7";

/** Payloads of the secrets. No part of a payload may appear anywhere except in its file or variable. */
export const PAYLOADS: Record<string, string> = {
  [NATS_URL]: "tls://gateway:Wm9jN-4bYk2d@nats-1:4222",
  [JWT_KEY]:
    '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAq "quoted" $HOME `id` \\\n-----END PUBLIC KEY-----\n\n',
  [CREDENTIALS]: "-----BEGIN NATS USER JWT-----\neyJ0eXAiOiJKV1Q\n------END NATS USER JWT------\n",
};

export async function buildGateway(owner: Owner, attributes: Record<string, string> = {}): Promise<Machine> {
  const machine = await buildMachine(owner, "gateway", {
    "image-gateway": IMAGE,
    "drain-seconds": "60",
    "env-AUTH_MODE": "jwt",
    "env-WS_ALLOWED_ORIGINS": "https://one.example,\nhttps://two.example",
    "secret-env-NATS_URL": NATS_URL,
    "secret-env-JWT_PUBLIC_KEY": JWT_KEY,
    "secret-file-nats-credentials": CREDENTIALS,
    "file-nats-ca": "-----BEGIN CERTIFICATE-----\npublic\n-----END CERTIFICATE-----\n",
    ...attributes,
  });
  Object.assign(machine.cloud.secrets, PAYLOADS);
  return machine;
}

/** The line of a successful start. */
export const ready = (image: string): RegExp =>
  new RegExp(`^odin-startup: ready role=gateway image=${image} seconds=\\d+$`);
