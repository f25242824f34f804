import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { roleLabels, type Site } from "../site.ts";

/** Arguments of {@link Secret}. */
export interface SecretArgs {
  site: Site;
  /** The payload, at most 64 KiB. It is marked as a secret in the state even if the input is not a secret. */
  value: pulumi.Input<string>;
  /**
   * IAM members (`serviceAccount:…`) that may read the value, by role, for example
   * `{gateway: identity.member}`. At least one.
   */
  accessors: Record<string, pulumi.Input<string>>;
  /**
   * True: the program can make the value again, or the value is only needed for a while, so the secret is not
   * protected from deletion in production.
   * Default: false.
   */
  isRenewable?: boolean;
}

/**
 * A value in Secret Manager that some roles may read. A VM's metadata contains the name of one version, never
 * the value.
 *
 * A new value makes a new version, and the machines that use the secret are rolled out. The old version is
 * deleted only after the rollout has succeeded: until then, and also when the rollout fails, machines of the
 * old template can still read the old version. A deleted version is disabled at once and destroyed 30 days
 * later (`versionDestroyTtl`), so a value that nobody wrote down can be enabled again. The policy `DISABLE`
 * would keep rotated credentials forever, and each version costs money. Destroying the stack deletes the
 * secret with all its versions.
 */
export class Secret extends pulumi.ComponentResource {
  /** `projects/P/secrets/S` */
  readonly id: pulumi.Output<string>;
  /**
   * `projects/P/secrets/S/versions/N`, known as soon as the accessors may read the version. So a machine that
   * boots with this name is not refused.
   */
  readonly version: pulumi.Output<string>;

  /** @param name the secret's name in the cloud is the site's prefix and this name */
  constructor(name: string, args: SecretArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Secret", name, {}, opts);
    const { site, value, accessors } = args;
    const { project, production } = site;
    const secretId = `${site.prefix}-${name}`;
    if (Object.keys(accessors).length === 0) {
      throw new Error(
        `Secret ${secretId} has no accessors: name the members that read the secret, or leave the secret out.`,
      );
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
      // Only the secret is protected: a protected version could not be replaced by a new version. The
      // resource also has an input `deletionProtection`. It is not used, because it would be a second guard
      // of the same kind, which `pulumi state unprotect` does not remove.
      { parent: this, protect: production && args.isRenewable !== true },
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
    // Waits for the grants by their input `role` and not by their ids, because the input is known in
    // previews: otherwise a new accessor would make every VM look changed.
    this.version = pulumi
      .all([version.name, pulumi.all(grants.map(({ role }) => role))])
      .apply(([version]) => version);
    this.registerOutputs({ id: this.id, version: this.version });
  }
}

const MAX_BYTES = 65536; // limit of Secret Manager

/**
 * Returns the payload.
 * @throws Error for a payload that Secret Manager would refuse; the message does not show it
 */
export function checkedPayload(text: string, secretId: string): string {
  const bytes = Buffer.byteLength(text);
  if (bytes === 0)
    throw new Error(`The value of secret ${secretId} is empty: set it, or leave the secret out.`);
  if (bytes > MAX_BYTES) {
    throw new Error(`The value of secret ${secretId} has ${bytes} bytes, the limit is ${MAX_BYTES}.`);
  }
  return text;
}
