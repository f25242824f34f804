/**
 * The command `npm run build-image`, which a deployment runs for an image whose sources changed. It builds
 * the image with the Docker daemon of this machine, pushes the image, and prints `REPOSITORY@sha256:…`.
 */

import { spawn } from "node:child_process";

const KEPT = 20_000; // characters of Docker's output that the message of a failure shows

/** What to build, in the environment of the command. */
interface BuildImageArgs {
  /** `REPOSITORY:VERSION`. */
  image: string;
  /** Folder with the sources. */
  context: string;
  dockerfile: string;
  /** Build arguments. */
  buildArgs: Record<string, string>;
}

/** The image was not built or not pushed. The message ends with Docker's output. */
class BuildError extends Error {
  override readonly name = "BuildError";
}

async function buildImage({ image, context, dockerfile, buildArgs }: BuildImageArgs): Promise<string> {
  const repository = image.replace(/:[^:/]*$/, "");
  const args = Object.entries(buildArgs).flatMap(([name, value]) => ["--build-arg", `${name}=${value}`]);
  const hasBuildx = await docker("buildx", "version").then(
    () => true,
    () => false,
  );
  // Some distributions package Docker without buildx. With buildx, some builders put the image into the
  // daemon only with `--load`, and only without provenance the image has one manifest, as without buildx.
  const build = hasBuildx ? ["buildx", "build", "--load", "--provenance=false"] : ["build"];
  const target = ["--platform", "linux/amd64", "--tag", image, "--file", dockerfile];
  await docker(...build, ...target, ...args, context);
  await docker("push", image);
  const digests = await docker(
    "image",
    "inspect",
    "--format",
    "{{range .RepoDigests}}{{println .}}{{end}}",
    image,
  );
  // A daemon that pushed the same image to several repositories lists one digest for each of them.
  const own = digests.split("\n").find((line) => line.startsWith(`${repository}@sha256:`));
  if (own === undefined) {
    const listed = digests.trim().replaceAll(/\s+/g, ", ") || "no digest";
    throw new BuildError(`${image} was not pushed: Docker lists ${listed}, and none of ${repository}`);
  }
  return own.trim();
}

/** Runs `docker` and returns its stdout. @throws BuildError */
function docker(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new BuildError(`docker ${args.join(" ")}: ${reason}`));
    const child = spawn("docker", args, { stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let all = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (stream === child.stdout) stdout += text;
        all = (all + text).slice(-KEPT);
      });
    child.once("error", ({ message }) => fail(`${message}. Install Docker`));
    child.once("close", (code, signal) => {
      if (code === 0) resolve(stdout);
      else fail(`ended with ${code ?? signal}\n${all}`);
    });
  });
}

/** The command, with IMAGE, CONTEXT, DOCKERFILE and BUILD_ARGS (a JSON object) in the environment. */
async function main(env: NodeJS.ProcessEnv): Promise<number> {
  const { IMAGE: image, CONTEXT: context, DOCKERFILE: dockerfile, BUILD_ARGS: buildArgs = "{}" } = env;
  if (!image || !context || !dockerfile) {
    process.stderr.write(
      "set IMAGE, CONTEXT and DOCKERFILE in the environment (and BUILD_ARGS, a JSON object)\n",
    );
    return 2;
  }
  try {
    const digest = await buildImage({ image, context, dockerfile, buildArgs: JSON.parse(buildArgs) });
    process.stdout.write(`${digest}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

if (import.meta.main) process.exitCode = await main(process.env);
