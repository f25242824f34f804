import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link Secret}. */
export interface SecretArgs {
  site: Site;
  /** The payload, at most 64 KiB; a secret in the state whether or not it was one before. */
  value: pulumi.Input<string>;
  /** Who may read it: IAM members (`serviceAccount:…`) by role, for example `{gateway: identity.member}`. At least one. */
  accessors: Record<string, pulumi.Input<string>>;
}

/**
 * A value in Secret Manager that some roles may read. What a VM gets is the name of one version, never the value.
 *
 * A new value is a new version. The machines that name it are rolled out, and when all of that has succeeded the old version goes: until
 * then, and when the rollout fails, machines of the old template find theirs. Gone means disabled at once and destroyed 30 days later
 * (`versionDestroyTtl`), so that a value which nobody wrote down can be enabled again; a policy `DISABLE` would keep rotated credentials
 * for ever, at a price for each. Destroying the stack deletes the secret with every version.
 */
export class Secret extends pulumi.ComponentResource {
  /** `projects/P/secrets/S` */
  readonly id: pulumi.Output<string>;
  /** `projects/P/secrets/S/versions/N`, known when the accessors may read it: a machine that boots with it is not refused. */
  readonly version: pulumi.Output<string>;

  /** @param name the secret's name in the cloud is the site's prefix and this */
  constructor(name: string, args: SecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Secret", name, {}, opts);
    const { site, value, accessors } = args;
    const { project, production } = site;
    const secretId = `${site.prefix}-${name}`;
    if (Object.keys(accessors).length === 0) {
      throw new Error(`Secret ${secretId} has no accessors: name who reads it, or leave it out.`);
    }
    const secret = new gcp.secretmanager.Secret(
      name,
      {
        secretId,
        project,
        replication: { auto: {} },
        labels: roleLabels(site, "secret"),
        versionDestroyTtl: "2592000s", // 30 days
      },
      // Only here: a protected version could not be replaced by a new one. The resource's own `deletionProtection` is the same guard
      // once more, and one that `pulumi state unprotect` does not open.
      { parent: this, protect: production },
    );
    const version = new gcp.secretmanager.SecretVersion(
      `${name}-version`,
      {
        project,
        secret: secret.id,
        secretData: pulumi.secret(pulumi.output(value).apply((text) => checkedPayload(text, secretId))),
        deletionPolicy: "DELETE",
      },
      { parent: this },
    );
    const grants = Object.entries(accessors).map(
      ([role, member]) =>
        new gcp.secretmanager.SecretIamMember(
          `${name}-accessor-${role}`,
          { project, secretId: secret.id, role: "roles/secretmanager.secretAccessor", member },
          { parent: this },
        ),
    );
    this.id = secret.id;
    // The grants' own input `role`, not their ids: known in previews, so that a new accessor does not make every VM look changed.
    this.version = pulumi
      .all([version.name, pulumi.all(grants.map(({ role }) => role))])
      .apply(([version]) => version);
    this.registerOutputs({ id: this.id, version: this.version });
  }
}

const MAX_BYTES = 65536; // a limit of Secret Manager's

/** The payload itself. @throws Error for one that Secret Manager would refuse, without showing it */
export function checkedPayload(text: string, secretId: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0)
    throw new Error(`The value of secret ${secretId} is empty: set it, or leave the secret out.`);
  if (bytes > MAX_BYTES) {
    throw new Error(`The value of secret ${secretId} has ${bytes} bytes, ${MAX_BYTES} are the limit.`);
  }
  return text;
}
