/** Values as the files have them, by full key. */
export type Stored = Record<string, unknown>;

interface StoodIn {
  values: Stored;
  secretKeys: string[];
  notes: string[];
}

const PROJECT = "preview-project";

/** Stand-ins for values whose form the program checks. */
const PLAUSIBLE: Record<string, string> = {
  natsCredentials:
    "-----BEGIN NATS USER JWT-----\npreview\n------END NATS USER JWT------\n-----BEGIN USER NKEY SEED-----\npreview\n------END USER NKEY SEED------\n",
  alertWebhook: "https://alerts.example.com/preview",
  alertPagerduty: "preview".padEnd(32, "0"),
  alertSlack: "https://hooks.slack.com/services/preview",
};

/** Settings of the gateway for keys of the clients' tokens other than `jwtSecret`. */
const OTHER_KEYS = ["JWKS_URL", "JWT_PUBLIC_KEY"];

/**
 * Replaces encrypted values, and fills in values that a stack needs before its first `pulumi up`. Adds a note
 * for each of them.
 */
export function standIn(project: string, stack: string, stored: Stored): StoodIn {
  const values: Stored = {};
  const secretKeys: string[] = [];
  const notes: string[] = [];
  for (const [key, value] of Object.entries(stored)) {
    const name = key.replace(`${project}:`, "");
    values[key] = decrypted(value, name, (where) => {
      if (!secretKeys.includes(key)) secretKeys.push(key);
      notes.push(`${where} is encrypted: shown with a stand-in`);
    });
  }
  const set = (key: string, value: string, command: string) => {
    values[key] = value;
    notes.push(
      `${key.replace(`${project}:`, "")} is not set: shown with a stand-in (${command} --stack ${stack})`,
    );
  };
  if (isEmpty(values["gcp:project"])) set("gcp:project", PROJECT, "pulumi config set gcp:project PROJECT");
  for (const name of missingSecrets(project, values)) {
    const key = `${project}:${name}`;
    set(key, secretStandIn(name), `pulumi config set --secret ${name}`);
    secretKeys.push(key);
  }
  return { values, secretKeys, notes };
}

/** Secrets that the program needs and the stack does not have. */
function missingSecrets(project: string, values: Stored): string[] {
  const value = (name: string) => values[`${project}:${name}`];
  const gateway = (value("gateway") ?? {}) as Record<string, unknown>;
  const missing: string[] = [];
  if (gateway.AUTH_MODE !== "none" && OTHER_KEYS.every((name) => isEmpty(gateway[name])))
    missing.push("jwtSecret");
  if (value("kind") === "service" && value("nats") === "synadia") missing.push("natsCredentials");
  return missing.filter((name) => isEmpty(value(name)));
}

/** A value in which all encrypted values, at any depth, are replaced by stand-ins. */
function decrypted(value: unknown, path: string, found: (path: string) => void): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((item, index) => decrypted(item, `${path}[${index}]`, found));
  if ("secure" in value) {
    found(path);
    return secretStandIn(path);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, decrypted(item, `${path}.${key}`, found)]),
  );
}

function secretStandIn(name: string): string {
  return PLAUSIBLE[name] ?? `preview-stand-in-for-${name}`.padEnd(48, "-"); // long enough for an HS256 secret
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}
