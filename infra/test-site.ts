import type { Site } from "./site.ts";

/** The site of component tests. */
export const testSite: Site = {
  project: "test-project",
  region: "us-central1",
  prefix: "odin-test",
  labels: { app: "odin-ws", stack: "test" },
  production: false,
};
