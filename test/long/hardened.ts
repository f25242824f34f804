/** Assertions for every image of this repository. */

import { strict as assert } from "node:assert";
import { type BuiltImage, type Container, openFiles } from "./built-image.ts";

/** Asserts that the image adds one file to its base, and contains no program but Node. */
export async function assertOneFile(image: BuiltImage, bundle: string): Promise<void> {
  assert.deepEqual(await image.added(), ["app/", bundle]);
  // The base must not contain these files either, because otherwise the tests would not show that they are
  // not needed.
  const unwanted = /(^|\/)(node_modules|(ba|da)?sh|busybox|env|npm)(\/|$)/;
  assert.deepEqual(
    (await image.files()).filter((path) => unwanted.test(path)),
    [],
  );
}

/** Asserts that the first process of a running container has no privileges. */
export async function assertNoRights(container: Container): Promise<void> {
  const { status, limits } = await container.processOne();
  assert.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m);
  assert.match(status, /^Gid:\t65532\t65532\t65532\t65532$/m);
  assert.match(status, /^Cap(Prm|Eff|Bnd):\t0{16}$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(limits, new RegExp(`^Max open files +${openFiles()} +${openFiles()} `, "m"));
}
