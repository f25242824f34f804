import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** Arguments of {@link Identity}. */
export interface IdentityArgs {
  site: Site;
  /** What runs under it, in words. */
  description: string;
  /** Roles in the project, for example `roles/logging.logWriter`. What belongs to one secret, bucket or repository is granted there. */
  roles?: string[];
}

/** The service account of one role of machines; firewall rules and grants name it. */
export class Identity extends pulumi.ComponentResource {
  /** `odin-prod-gateway@project.iam.gserviceaccount.com` */
  readonly email: pulumi.Output<string>;
  /** The same as IAM wants it: `serviceAccount:…`. */
  readonly member: pulumi.Output<string>;

  /** @param name the role; the account's id is the site's prefix and this name, at most 30 characters together */
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
      },
      { parent: this },
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
