import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import { type Mistake, refuse } from "../argument-mistakes.ts";
import type { Site } from "../site.ts";
import { bucketArgs, bucketName } from "./bucket.ts";
import { MANIFEST, manifest } from "./manifest.ts";

const KEPT_VERSIONS = 10; // old versions of each file, to restore one by hand

/** Arguments of {@link ConfigBucket}. */
export interface ConfigBucketArgs {
  site: Site;
  /**
   * Contents by path, for example `prometheus/prometheus.yml`. A file is not secret, not empty and not called
   * `manifest`.
   */
  files: Record<string, pulumi.Input<string>>;
  /** IAM members that may read all files, by a name of your choice. */
  readers: Record<string, pulumi.Input<string>>;
}

/**
 * Files that a stack's VMs download. The object `manifest` lists the files, one per line in the format of
 * sha256sum: `<sha256 in hex>  <path>`. The manifest is written after the files. A VM whose downloads do not
 * match the manifest tries again a minute later. A changed file changes its own object and the manifest. The
 * bucket may be destroyed, because all files can be uploaded again.
 */
export class ConfigBucket extends pulumi.ComponentResource {
  /**
   * Name of the bucket. The name is known from the start and does not depend on the bucket, so resources that
   * contain the name (instance templates, for example) are not replaced together with the bucket.
   */
  readonly bucket: string;

  /**
   * @throws InputPropertiesError when there are no files, or a file is empty or has a path that is not
   * allowed
   */
  constructor(name: string, args: ConfigBucketArgs, opts?: pulumi.ComponentResourceOptions) {
    super("odin-ws:index:ConfigBucket", name, {}, opts);
    const { site, files, readers } = args;
    refuse(`config bucket "${name}"`, mistakes(files));
    this.bucket = bucketName(site, "config");
    const bucket = new gcp.storage.Bucket(
      name,
      {
        ...bucketArgs(site, "config"),
        versioning: { enabled: true },
        lifecycleRules: [
          {
            action: { type: "Delete" },
            condition: { numNewerVersions: KEPT_VERSIONS, withState: "ARCHIVED" },
          },
        ],
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
    .filter((path) => files[path] === "") // the provider treats empty content as missing content
    .map((path) => ({ propertyPath: `files["${path}"]`, reason: "is empty: leave the file out" }));
  return [...bad, ...empty];
}

const PATH = /^[A-Za-z0-9][\w-]*(\.[\w-]+)*(\/[\w-]+(\.[\w-]+)*)*$/;
