/**
 * Whether subscriptions take `maxRate` and `last`. The build of the small module `@odin-ws/client` replaces
 * the value by false, which removes the code.
 */
export const SELECTIVE: boolean = true;
