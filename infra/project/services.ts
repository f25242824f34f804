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

/** APIs of the stacks. Enabling them needs `serviceusage.googleapis.com`, which every new project has. */
export const APIS = {
  service: COMMON_APIS,
  capacityTest: COMMON_APIS,
  /** Also needed where `domain` is set. */
  domain: ["certificatemanager.googleapis.com", "dns.googleapis.com"],
};

/** Arguments of {@link Services}. */
export interface ServicesArgs {
  site: Site;
  /** APIs by full name, for example of {@link APIS}; duplicates count once. */
  apis: string[];
}

/** The project's APIs, enabled before anything that needs them. They stay enabled when the stack goes: others may share the project. */
export class Services extends pulumi.ComponentResource {
  /** Options for a component that needs the APIs. */
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
