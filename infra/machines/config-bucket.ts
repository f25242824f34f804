import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Mistake, refuse } from "../argument-mistakes.ts";
import { roleLabels, type Site } from "../site.ts";
import { MANIFEST, manifest } from "./manifest.ts";

const KEPT_VERSIONS = 10; // of a file, to go back to by hand

/** Arguments of {@link ConfigBucket}. */
export interface ConfigBucketArgs {
  site: Site;
  /** Content by path, for example `prometheus/prometheus.yml`. Neither secret nor empty, and none is called `manifest`. */
  files: Record<string, pulumi.Input<string>>;
  /** IAM members that may read all files, by a name for each. */
  readers: Record<string, pulumi.Input<string>>;
}

/**
 * Files that a stack's VMs pull. The object `manifest` lists them, `<sha256 in hex>  <path>` a line as sha256sum writes it, and is written after
 * the others: who finds files that do not match it yet, asks again a minute later. A changed file changes its object and the manifest.
 */
export class ConfigBucket extends pulumi.ComponentResource {
  /**
   * Name of the bucket. Known at once and without a dependency on the bucket, so that what is told the name (instance templates!) is
   * not replaced together with it.
   */
  readonly bucket: string;

  /** @throws InputPropertiesError for a path that cannot be one */
  constructor(name: string, args: ConfigBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:ConfigBucket", name, {}, opts);
    const { site, files, readers } = args;
    refuse(`config bucket "${name}"`, mistakes(files));
    this.bucket = `${site.project}-${site.prefix}-config`; // unique in the world, at most 63 characters
    const bucket = new gcp.storage.Bucket(
      name,
      {
        name: this.bucket,
        project: site.project,
        location: site.region.toUpperCase(),
        storageClass: "STANDARD",
        labels: roleLabels(site, "config"),
        uniformBucketLevelAccess: true,
        publicAccessPrevention: "enforced",
        versioning: { enabled: true },
        lifecycleRules: [
          {
            action: { type: "Delete" },
            condition: { numNewerVersions: KEPT_VERSIONS, withState: "ARCHIVED" },
          },
        ],
        softDeletePolicy: { retentionDurationSeconds: 0 }, // all of it can be made again
        forceDestroy: true,
      },
      { parent: this },
    );
    for (const [reader, member] of Object.entries(readers)) {
      new gcp.storage.BucketIAMMember(
        `${name}-${reader}`,
        { bucket: bucket.name, role: "roles/storage.objectViewer", member },
        { parent: this },
      );
    }
    const put = (path: string, content: pulumi.Input<string>, after: pulumi.Resource[]) =>
      new gcp.storage.BucketObject(
        `${name}-${path}`,
        {
          bucket: bucket.name,
          name: path,
          content,
          contentType: "text/plain; charset=utf-8",
          cacheControl: "no-store",
        },
        { parent: this, deleteBeforeReplace: true, dependsOn: after },
      );
    const objects = Object.entries(files).map(([path, content]) => put(path, content, []));
    put(MANIFEST, pulumi.output(files).apply(manifest), objects);
    this.registerOutputs({ bucket: this.bucket });
  }
}

function mistakes(files: ConfigBucketArgs["files"]): Mistake[] {
  const paths = Object.keys(files);
  if (paths.length === 0) return [{ propertyPath: "files", reason: "has no file" }];
  const bad = paths
    .filter((path) => path === MANIFEST || !PATH.test(path))
    .map((path) => ({
      propertyPath: `files["${path}"]`,
      reason: `must be letters, digits, "_", "-" and single dots between slashes, and not ${MANIFEST}`,
    }));
  const empty = paths
    .filter((path) => files[path] === "") // the provider takes it for a missing one
    .map((path) => ({ propertyPath: `files["${path}"]`, reason: "is empty: leave the file out" }));
  return [...bad, ...empty];
}

const PATH = /^[A-Za-z0-9][\w-]*(\.[\w-]+)*(\/[\w-]+(\.[\w-]+)*)*$/;
