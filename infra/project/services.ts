import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { after } from "../after.ts";
import type { Site } from "../site.ts";

const COMMON_APIS = [
  "artifactregistry.googleapis.com",
  "cloudresourcemanager.googleapis.com", // grants in the project
  "compute.googleapis.com",
  "iam.googleapis.com",
  "iap.googleapis.com", // people reach VMs without a public address
  "logging.googleapis.com",
  "monitoring.googleapis.com",
  "oslogin.googleapis.com",
  "secretmanager.googleapis.com",
  "storage.googleapis.com",
];

/**
 * APIs that the stacks need. Enabling them needs `serviceusage.googleapis.com`, which every new project has
 * enabled.
 */
export const APIS = {
  service: COMMON_APIS,
  capacityTest: COMMON_APIS,
  /** Additional APIs of a stack with `domain`. */
  domain: ["certificatemanager.googleapis.com", "dns.googleapis.com"],
};

/** Arguments of {@link Services}. */
export interface ServicesArgs {
  site: Site;
  /** Full names of APIs, for example those in {@link APIS}; duplicates count once. */
  apis: string[];
}

/**
 * Enables the project's APIs before the resources that need them. The APIs stay enabled when the stack is
 * destroyed, because other stacks may share the project.
 */
export class Services extends pulumi.ComponentResource {
  /** Options that make a component wait for the APIs. */
  readonly first: pulumi.ComponentResourceOptions = after(this);

  constructor(name: string, args: ServicesArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:Services", name, {}, opts);
    const { site, apis } = args;
    enableApis(name, site, apis, this);
    this.registerOutputs({});
  }
}

/** Enables APIs as children of a component; duplicates count once. */
export function enableApis(
  name: string,
  site: Site,
  apis: readonly string[],
  parent: pulumi.Resource,
): pulumi.Resource[] {
  return [...new Set(apis)].map(
    (service) =>
      new gcp.projects.Service(
        `${name}-${service.replace(".googleapis.com", "")}`,
        { project: site.project, service, disableOnDestroy: false, disableDependentServices: false },
        { parent },
      ),
  );
}
