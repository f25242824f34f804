/**
 * Stacks as an earlier version of this repository created them: their names, their settings and their files.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { Live } from "../fake-cloud.ts";
import { ofUrn, type Properties } from "../resource-type.ts";
import { PROD_WITH_EVERYTHING, type StackSettings } from "../stack-settings.ts";

const DEFAULTS: StackSettings = { plain: {}, secret: {} };

/** The saved stacks and the settings that they were created with. */
export const RELEASED = { prod: PROD_WITH_EVERYTHING, staging: DEFAULTS, capacity: DEFAULTS } as const;

const file = (stack: string) => new URL(`${stack}.json.br`, import.meta.url);

/** Reads what `pulumi stack export --show-secrets` printed when the stack was saved. */
export function readReleased(stack: string): string {
  return brotliDecompressSync(readFileSync(file(stack))).toString("utf8");
}

/** The resources of an exported stack as its cloud held them. */
export function liveResources(exported: string): Live[] {
  const { deployment } = JSON.parse(exported) as { deployment: { resources: StateResource[] } };
  return deployment.resources.flatMap(({ urn, custom, type, id, inputs, outputs }) =>
    custom && id !== undefined && !type.startsWith("pulumi:")
      ? {
          type,
          name: ofUrn(urn).name,
          urn,
          id,
          inputs: withoutSecretMarks(inputs ?? {}),
          state: withoutSecretMarks(outputs ?? {}),
        }
      : [],
  );
}

interface StateResource {
  urn: string;
  custom: boolean;
  type: string;
  id?: string;
  inputs?: Properties;
  outputs?: Properties;
}

/** The engine marks a secret with an object that has this key; `--show-secrets` adds the value as JSON. */
const SECRET_MARK = "4dabf18193072939515e22adb298388d";

function withoutSecretMarks(properties: Properties): Properties {
  return JSON.parse(JSON.stringify(properties), (_key, value) =>
    value?.[SECRET_MARK] === undefined ? value : JSON.parse(value.plaintext),
  );
}

/** Saves what `pulumi stack export --show-secrets` printed. */
export function writeReleased(stack: string, exported: string): void {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS, // texts repeat far from each other
  };
  writeFileSync(file(stack), brotliCompressSync(exported, { params }));
}
