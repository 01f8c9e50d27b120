// Where things lie in a checkout, where the TypeScript runs as it is. A release has its own; see scripts/build-release.mjs.
import { fileURLToPath } from 'node:url';

/** Loads the program. */
export const load = () => import('../src/main.ts');

/** Compiled code is kept here. */
export const cache = fileURLToPath(new URL('../.cache', import.meta.url));

/** There once the checkout was set up; a release needs nothing. */
export const dependency = new URL('../node_modules/clipanion', import.meta.url);

/** The Node.js that set-up brings. */
export const ownNode = new URL('../../../node_modules/node/bin/node', import.meta.url);

/** Where `npm start` sets up. */
export const root = new URL('../../..', import.meta.url);
