/** Records the arguments that a program passes to resources, before the SDK drops unknown ones. */

import { createRequire } from "node:module";

/** The arguments of one call of a constructor. */
export interface Given {
  /** For example `gcp:compute/disk:Disk`. */
  type: string;
  name: string;
  /** Keys of the arguments that have a value. */
  keys: string[];
}

type Class = (new (...args: unknown[]) => object) & { __pulumiType?: string };

/**
 * Records the arguments of every resource of these SDKs from now on. A constructor copies known arguments and
 * ignores others. So neither the type check nor the registered resources show a misspelled argument in an
 * object that is built with spreads.
 */
export function watchArguments(sdks: readonly string[]): { given: Given[]; stop(): void } {
  const given: Given[] = [];
  const restores: (() => void)[] = [];
  const require = createRequire(import.meta.url);
  const seen = new Set<object>();

  function watch(module: Record<string, unknown>): void {
    if (seen.has(module)) return;
    seen.add(module);
    for (const [name, described] of Object.entries(Object.getOwnPropertyDescriptors(module))) {
      // Classes are loaded when they are first used. Reading all classes here would load the whole SDK.
      const load = described.get?.bind(module);
      if (/^[A-Z]/.test(name) && load !== undefined && described.configurable) {
        let watched: unknown;
        const get = () => {
          watched ??= watchClass(load());
          return watched;
        };
        Object.defineProperty(module, name, { configurable: true, enumerable: true, get });
        restores.push(() => Object.defineProperty(module, name, described));
      } else if (/^[a-z]/.test(name) && isModule(described.value)) {
        watch(described.value);
      }
    }
  }

  function watchClass(value: unknown): unknown {
    if (!isResource(value)) return value;
    return new Proxy(value, {
      construct(target, args: unknown[], newTarget) {
        const [resource, properties] = args;
        given.push({ type: typeOf(target), name: String(resource), keys: keysOf(properties) });
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
  }

  for (const sdk of sdks) watch(require(sdk) as Record<string, unknown>);
  return {
    given,
    stop: () => {
      for (const restore of restores) restore();
    },
  };
}

const isResource = (value: unknown): value is Class =>
  typeof value === "function" && typeof (value as Class).__pulumiType === "string";

/**
 * The class of a provider has only the package's name, `gcp`, and registers the type `pulumi:providers:gcp`.
 */
const typeOf = ({ __pulumiType: type = "" }: Class) =>
  type.includes(":") ? type : `pulumi:providers:${type}`;

const isModule = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

const keysOf = (properties: unknown) =>
  Object.entries(properties ?? {})
    .filter(([, value]) => value !== undefined)
    .map(([key]) => key);
