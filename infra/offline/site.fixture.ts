import * as pulumi from "@pulumi/pulumi";
import type { Site } from "../site.ts";

/** The site of component tests. */
export const testSite: Site = {
  project: "test-project",
  region: "us-central1",
  prefix: "odin-test",
  labels: { app: "odin-ws", stack: "test" },
  production: false,
};

/**
 * A resource that uses a component's outputs: its inputs show their values, its dependencies show what it
 * waits for.
 */
export class Machine extends pulumi.CustomResource {
  constructor(name: string, props: Record<string, pulumi.Input<unknown>>) {
    super("test:index:Machine", name, props);
  }
}
