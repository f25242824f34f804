import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** Arguments of {@link Identity}. */
export interface IdentityArgs {
  site: Site;
  /** Description of what runs under the account. */
  description: string;
  /**
   * Roles in the project, for example `roles/logging.logWriter`. Roles for a single secret, bucket or
   * repository are granted by the component of that resource.
   */
  roles?: string[];
}

/** The service account of one role of machines. Firewall rules and grants refer to the account. */
export class Identity extends pulumi.ComponentResource {
  /** `odin-prod-gateway@project.iam.gserviceaccount.com` */
  readonly email: pulumi.Output<string>;
  /** The account as an IAM member: `serviceAccount:…`. */
  readonly member: pulumi.Output<string>;

  /**
   * @param name the role; the account's id is the site's prefix and this name, at most 30 characters together
   */
  constructor(name: string, args: IdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Identity", name, {}, opts);
    const { site, description, roles = [] } = args;
    const account = new gcp.serviceaccount.Account(
      name,
      {
        accountId: `${site.prefix}-${name}`,
        displayName: `${site.prefix} ${name}`,
        description,
        project: site.project,
        // After an engine was killed, the next engine may find the account that the first engine created.
        createIgnoreAlreadyExists: true,
      },
      // The argument matters only for the creation. Without `ignoreChanges`, every stack of an earlier
      // version would show an update.
      { parent: this, ignoreChanges: ["createIgnoreAlreadyExists"] },
    );
    for (const role of roles) {
      new gcp.projects.IAMMember(
        `${name}-${role.replace("roles/", "").replaceAll(".", "-").toLowerCase()}`,
        { project: site.project, role, member: account.member },
        { parent: this },
      );
    }
    this.email = account.email;
    this.member = account.member;
    this.registerOutputs({ email: this.email, member: this.member });
  }
}
